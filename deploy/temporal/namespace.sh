#!/bin/sh
# Creates the namespace the studio works in, unless it is there. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say which.
set -eu

# Runs and events are kept in the studio's own database; Temporal needs a run's history only while it goes on.
retention=72h

until temporal operator cluster health >/dev/null 2>&1; do
  echo "Temporal at $TEMPORAL_ADDRESS does not answer yet."
  sleep 1
done

if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  echo "The namespace $TEMPORAL_NAMESPACE is there."
else
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
fi

# A new namespace is known to the whole server only after its next look into the database.
until temporal workflow list --namespace "$TEMPORAL_NAMESPACE" --limit 1 >/dev/null 2>&1; do
  sleep 1
done
