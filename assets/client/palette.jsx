// The palette: every kind by group; drag one onto the canvas or click it.
import { useState } from "react";
import { Search } from "lucide-react";
import { addNode, useDraft } from "./draft.js";
import { KindIcon } from "./icons.jsx";
import { middle } from "./viewport.js";

const GROUPS = ["Trigger", "AI", "Logic", "Data", "Output"];

function Entry({ kind }) {
  const onDragStart = (event) => {
    event.dataTransfer.setData("application/x-node-kind", kind.kind);
    event.dataTransfer.effectAllowed = "move";
  };
  return (
    <button
      type="button"
      className="palette-entry"
      draggable
      onDragStart={onDragStart}
      onClick={() => addNode(kind.kind, middle())}
      title={kind.summary}
    >
      <KindIcon kind={kind.kind} group={kind.group} />
      <span className="palette-words">
        <strong>{kind.title}</strong>
        <span className="muted">{kind.summary}</span>
      </span>
    </button>
  );
}

export function Palette() {
  const catalog = useDraft((state) => state.catalog);
  const [query, setQuery] = useState("");
  const wanted = query.trim().toLowerCase();
  const found = Object.values(catalog).filter((kind) =>
    `${kind.title} ${kind.summary}`.toLowerCase().includes(wanted),
  );
  return (
    <nav className="palette" aria-label="Palette">
      <label className="search">
        <Search size={14} aria-hidden="true" />
        <input
          type="search"
          value={query}
          placeholder="Search nodes"
          aria-label="Search nodes"
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      {GROUPS.map((group) => {
        const kinds = found.filter((kind) => kind.group === group);
        return kinds.length ? (
          <section key={group}>
            <h2>{group}</h2>
            {kinds.map((kind) => (
              <Entry key={kind.kind} kind={kind} />
            ))}
          </section>
        ) : null;
      })}
      {found.length ? null : <p className="muted palette-none">No node matches “{query}”.</p>}
    </nav>
  );
}
