#!/usr/bin/env bash
# Installs what is missing of a Docker engine with compose and buildx, and of what the stand-in images are made of, from the
# distribution's archive alone. An engine that is there stays as it is, whoever installed it.
# Debian 12 has no compose v2: there the four packages come from Debian 13, and everything else stays as it is.
set -euo pipefail

engine_ready() {
  local program
  docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1 || return 1
  # One that answers needs nothing else; one that is to be started by the tests does.
  docker version >/dev/null 2>&1 && return 0
  for program in dockerd containerd iptables; do
    command -v "$program" >/dev/null || return 1
  done
}

# shellcheck source=/dev/null
. /etc/os-release
packages=()
command -v ip >/dev/null || packages+=(iproute2)
command -v debootstrap >/dev/null || packages+=(debootstrap)
# The runbook's quick start draws its passwords with it.
command -v openssl >/dev/null || packages+=(openssl)
[ -s /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
if ! engine_ready; then
  case "$ID" in
    ubuntu) packages+=(docker.io docker-buildx docker-compose-v2 iptables) ;;
    *) packages+=(docker.io docker-cli docker-buildx docker-compose iptables) ;;
  esac
fi

if [ "${#packages[@]}" -eq 0 ]; then
  exit 0
fi

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

if [ "${VERSION_CODENAME:-}" = bookworm ] && ! engine_ready; then
  # The machine's own mirror of Debian, whatever it is: asked for here, because no commit names one.
  mirror=$(find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec \
    sed -n -E 's/^(URIs:|deb( \[[^]]*\])?) *(https?:[^ ]*\/debian)\/?( .*)?$/\3/p' {} + | head -n 1)
  if [ -z "$mirror" ]; then
    echo "No Debian mirror in this machine's apt sources." >&2
    exit 1
  fi
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
    "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg |
    "${as_root[@]}" tee /etc/apt/sources.list.d/aistudio-engine.sources >/dev/null
  printf 'Package: docker.io docker-cli docker-buildx docker-compose\nPin: release n=trixie\nPin-Priority: 990\n\n%s\n' \
    $'Package: *\nPin: release n=trixie\nPin-Priority: 100' |
    "${as_root[@]}" tee /etc/apt/preferences.d/aistudio-engine >/dev/null
fi

# The engine is started by the tests, on a socket of its own, and not by the package.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod +x "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"

if ! engine_ready; then
  echo "The engine is not complete after its installation." >&2
  exit 1
fi
