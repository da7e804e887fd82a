// An empty canvas offers ways on instead of a blank page.
import { addNode, edit, useDraft } from "./draft.js";
import { middle } from "./viewport.js";

export function EmptyCanvas({ templates }) {
  const trigger = useDraft((state) => Object.values(state.catalog).find((kind) => kind.trigger));
  const start = (graph) => edit((draft) => ({ ...draft, ...graph, name: draft.name || graph.name }));
  return (
    <div className="canvas-note">
      <strong>Nothing here yet</strong>
      <p className="muted">Every workflow begins with a trigger. Add one, or start from a template.</p>
      {trigger ? (
        <button type="button" className="button" onClick={() => addNode(trigger.kind, middle())}>
          Add a {trigger.title.toLowerCase()}
        </button>
      ) : null}
      <ul className="templates" aria-label="Templates">
        {templates.map((template) => (
          <li key={template.slug}>
            <button
              type="button"
              className="template"
              title={template.description}
              onClick={() => start(template.graph)}
            >
              <strong>{template.name}</strong>
              <span className="muted">{template.outcome}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
