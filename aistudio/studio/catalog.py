"""What a studio offers: node kinds, templates, the model."""

from aistudio import gallery
from aistudio.graph.kinds import Kinds, KindSpec
from aistudio.llm.client import default_model
from aistudio.settings import Settings
from aistudio.studio.errors import not_found
from aistudio.studio.views import ModelView, NodeKindView, TemplateSummary, TemplateView


class Catalog:
    """The same for every actor, so it asks for none."""

    def __init__(self, kinds: Kinds, model: ModelView) -> None:
        self._kinds = [_kind(spec) for spec in kinds.values()]
        self._model = model

    def node_kinds(self) -> list[NodeKindView]:
        """Every node kind, in the palette's order."""
        return self._kinds

    def templates(self) -> list[TemplateSummary]:
        """The gallery, without the graphs."""
        return [_template(template) for template in gallery.templates()]

    def template(self, slug: str) -> TemplateView:
        """One template with its graph."""
        for template in gallery.templates():
            if template.slug == slug:
                return {
                    **_template(template),
                    "samples": [
                        {"label": sample.label, "input": sample.input, "branch": sample.branch}
                        for sample in template.samples
                    ],
                    "graph": template.graph,
                }
        raise not_found("template")

    def model(self) -> ModelView:
        """Who answers agents that name no model."""
        return self._model


def model_view(settings: Settings) -> ModelView:
    """Who answers agents that name no model, as the settings have it."""
    name, simulated = default_model(settings)
    return {"model": name, "simulated": simulated}


def _template(template: gallery.Template) -> TemplateSummary:
    return {
        "slug": template.slug,
        "name": template.name,
        "description": template.description,
        "outcome": template.outcome,
    }


def _kind(spec: KindSpec) -> NodeKindView:
    source = spec.ports_from
    return {
        "name": spec.name,
        "title": spec.title,
        "summary": spec.summary,
        "icon": spec.icon,
        "group": spec.group,
        "ports": list(spec.ports),
        "ports_from": (
            None if source is None else {"field": source.field, "name": source.name, "label": source.label}
        ),
        "port_key": spec.port_key,
        "trigger": spec.trigger,
        "waits": spec.waits,
        "headline": spec.headline,
        "starter": dict(spec.starter),
        "config_schema": spec.config.model_json_schema(),
    }
