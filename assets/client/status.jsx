// Status as icon, word and colour: never colour alone.
import {
  Ban,
  Check,
  CircleDashed,
  CirclePause,
  CornerUpRight,
  LoaderCircle,
  RotateCw,
  TextCursor,
  X,
} from "lucide-react";

const STATUSES = {
  pending: [CircleDashed, "Pending"],
  queued: [CircleDashed, "Queued"],
  running: [LoaderCircle, "Running"],
  streaming: [TextCursor, "Streaming"],
  waiting: [CirclePause, "Waiting"],
  retrying: [RotateCw, "Retrying"],
  completed: [Check, "Completed"],
  failed: [X, "Failed"],
  skipped: [CornerUpRight, "Skipped"],
  cancelling: [LoaderCircle, "Stopping"],
  cancelled: [Ban, "Cancelled"],
};

export const shownStatus = (node) => (node.status === "running" && node.text ? "streaming" : node.status);

export const word = (status) => STATUSES[status]?.[1] ?? "";

export function StatusIcon({ status, size = 14 }) {
  const Icon = STATUSES[status]?.[0];
  return Icon ? <Icon size={size} className={`status-icon is-${status}`} aria-hidden="true" /> : null;
}

export function Status({ status, detail }) {
  if (!STATUSES[status]) return null;
  return (
    <span className={`status is-${status}`}>
      <StatusIcon status={status} />
      <span>{word(status)}</span>
      {detail ? <span className="status-detail">{detail}</span> : null}
    </span>
  );
}
