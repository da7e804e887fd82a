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
      <div className="canvas-ways">
        {trigger ? (
          <button type="button" className="button" onClick={() => addNode(trigger.kind, middle())}>
            Add a {trigger.title.toLowerCase()}
          </button>
        ) : null}
        {templates.map((template) => (
          <button key={template.slug} type="button" className="button" onClick={() => start(template.graph)}>
            {template.name}
          </button>
        ))}
      </div>
    </div>
  );
}
