// Icons of node kinds. The catalog names them; Python hands over just those components.
import { Box } from "lucide-react";

let icons = {};

export const setIcons = (components) => {
  icons = components;
};

export function KindIcon({ kind, group, size = 18 }) {
  const Icon = icons[kind] ?? Box;
  return (
    <span className={`kind-icon group-${(group ?? "none").toLowerCase()}`}>
      <Icon size={size} aria-hidden="true" />
    </span>
  );
}
