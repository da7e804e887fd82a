// What a node that waits for a human shows: the question with its two buttons, afterwards who decided and why.
import { useEffect, useState } from "react";
import { Check, X } from "lucide-react";
import { decide } from "./run.js";

const LONGEST_COMMENT = 4_000;
// Whoever gets no answer in this time may try again; a refusal is told.
const ANSWER_WITHIN_MS = 5_000;

const moment = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

function Question({ id, run }) {
  const [comment, setComment] = useState("");
  const [sent, setSent] = useState(false);
  useEffect(() => {
    if (!sent) return undefined;
    const timer = setTimeout(() => setSent(false), ANSWER_WITHIN_MS);
    return () => clearTimeout(timer);
  }, [sent]);
  const say = (decision) => {
    setSent(true);
    decide(id, decision, comment.trim());
  };
  return (
    <div className="approval nodrag nopan nowheel" data-testid={`approval-${id}`}>
      {run.message ? <p className="approval-message">{run.message}</p> : null}
      {run.expiresAt ? <p className="muted">Until {moment(run.expiresAt)}</p> : null}
      <textarea
        rows={1}
        value={comment}
        maxLength={LONGEST_COMMENT}
        placeholder="Comment (optional)"
        aria-label="Comment"
        onChange={(event) => setComment(event.target.value)}
      />
      <div className="approval-ways">
        <button type="button" className="button is-primary" disabled={sent} onClick={() => say("approve")}>
          <Check size={14} aria-hidden="true" />
          Approve
        </button>
        <button type="button" className="button" disabled={sent} onClick={() => say("reject")}>
          <X size={14} aria-hidden="true" />
          Reject
        </button>
      </div>
    </div>
  );
}

const WAYS = { approved: "Approved", rejected: "Rejected" };

function Verdict({ id, made }) {
  const way = WAYS[made.decision];
  if (!way) return null;
  return (
    <div className="approval nodrag nopan nowheel" data-testid={`verdict-${id}`}>
      <p>
        <strong className={`approval-${made.decision}`}>{way}</strong>{" "}
        {made.by === "timeout" ? "because the time was up" : `by ${made.by}`}
      </p>
      {made.comment ? <p className="approval-message">{made.comment}</p> : null}
    </div>
  );
}

export function Approval({ id, run }) {
  if (run.status === "waiting") return <Question id={id} run={run} />;
  if (run.status === "completed" && run.output) return <Verdict id={id} made={run.output} />;
  return null;
}
