// What ties the page to the server: greets, opens the workflow, hands messages to the stores.
import { useEffect } from "react";
import { toast } from "sonner";
import { connect, listen, send } from "./channel.js";
import { textOf, useDraft } from "./draft.js";
import { setIcons } from "./icons.jsx";
import { clearRun, endStart, onLive, onSnapshot, onStarted, useRun } from "./run.js";
import { onConflict, onSaveFailed, onSaved, onWorkflow, openFromMirror } from "./saving.js";

const workflowId = () => window.location.pathname.split("/").filter(Boolean).at(-1);
const runId = () => new URLSearchParams(window.location.search).get("run");

const REPLY_WITHIN_MS = 8_000;
const RETRY_MS = 2_000;
const SAME_VISIT_MS = 1_500;
let retryTimer = null;
let openedAt = 0;

const open = () => {
  const id = workflowId();
  if (useDraft.getState().id !== null && useDraft.getState().id !== id) clearRun();
  clearTimeout(retryTimer);
  openedAt = Date.now();
  retryTimer = setTimeout(open, REPLY_WITHIN_MS);
  send("onOpen", { workflow_id: id, execution_id: runId() });
};

// The greeting follows every connect. On a first load it may come before or after this module.
const onHello = () => {
  if (Date.now() - openedAt > SAME_VISIT_MS) open();
};

const onUnavailable = ({ message }) => {
  openFromMirror(workflowId(), message);
  clearTimeout(retryTimer);
  retryTimer = setTimeout(open, RETRY_MS);
};

const onOpened = (message) => {
  clearTimeout(retryTimer);
  onWorkflow(message);
};

const onNotice = ({ level, title, detail, problems, ends_start }) => {
  if (problems) useDraft.setState({ problems });
  if (ends_start) endStart();
  toast[level](title, { description: detail, duration: level === "error" ? 10_000 : 4_000 });
};

const HANDLERS = {
  hello: onHello,
  workflow: onOpened,
  missing: () => clearTimeout(retryTimer),
  saved: onSaved,
  save_failed: onSaveFailed,
  conflict: onConflict,
  unavailable: onUnavailable,
  run_started: onStarted,
  snapshot: onSnapshot,
  live: onLive,
  notice: onNotice,
};

const TITLE_MARKS = { completed: "✓ ", failed: "✕ ", running: "● ", waiting: "⏸ ", pending: "● ", cancelling: "● " };

function useTitle() {
  const name = useDraft((state) => textOf(state.graph.name));
  const status = useRun((state) => state.status);
  useEffect(() => {
    document.title = `${TITLE_MARKS[status] ?? ""}${name || "Untitled workflow"} · AI Studio`;
  }, [name, status]);
}

export function Session({ catalog, icons, ...events }) {
  connect(events);
  setIcons(icons);
  useTitle();
  useEffect(() => {
    useDraft.setState({ catalog });
    const stop = listen((message) => HANDLERS[message.type]?.(message));
    open();
    return stop;
  }, [catalog]);
  return null;
}
