"""The pages, composed in Reflex: a frame around the local JSX modules."""

from functools import partial

import reflex as rx
from reflex.style import toggle_color_mode
from reflex_components_core.core.banner import has_connection_errors

from aistudio.studio.catalog import Catalog
from aistudio.ui import catalog as page_catalog
from aistudio.ui import client
from aistudio.ui.state import StudioState


def mark() -> rx.Component:
    """The product's mark, leading home."""
    return rx.el.a(
        rx.icon("workflow", size=18),
        rx.el.span("AI Studio", class_name="visually-hidden"),
        href="/",
        class_name="mark",
        title="AI Studio",
    )


def theme_switch() -> rx.Component:
    """Light and dark."""
    return rx.el.button(
        rx.color_mode_cond(light=rx.icon("moon", size=16), dark=rx.icon("sun", size=16)),
        type="button",
        class_name="icon-button",
        aria_label="Switch between light and dark",
        on_click=toggle_color_mode,
    )


def top_bar() -> rx.Component:
    """Who, what, and Run."""
    return rx.el.header(
        mark(),
        client.WorkflowName.create(),
        rx.el.span("Draft", class_name="chip"),
        client.SavedState.create(),
        rx.el.div(class_name="spacer"),
        client.Problems.create(),
        client.History.create(),
        theme_switch(),
        client.RunButton.create(),
        class_name="top-bar",
    )


def offline_banner() -> rx.Component:
    """Says quietly that answers are simulated, and how to bring a key."""
    return rx.cond(
        StudioState.simulated,
        rx.el.div(
            rx.icon("info", size=14),
            rx.el.span(
                "Answers are simulated: no model key is set. Put ",
                rx.el.code("OPENROUTER_API_KEY"),
                " into ",
                rx.el.code(".env"),
                " and restart to use a real model.",
            ),
            class_name="banner",
            data_testid="offline-banner",
        ),
    )


def note_page(heading: str, text: str) -> rx.Component:
    """What is not there, why that may be, and a way on."""
    return rx.el.main(
        rx.el.h1(heading),
        rx.el.p(text, class_name="muted"),
        rx.el.a("Open your latest workflow", href="/", class_name="button is-primary"),
        class_name="note-page",
    )


def missing() -> rx.Component:
    """No such workflow."""
    return note_page("This workflow is not here", "It was deleted, or the address is not quite right.")


def not_found() -> rx.Component:
    """No such page."""
    return note_page("This page is not here", "The address is not quite right.")


def workflow_page(catalog: Catalog) -> rx.Component:
    """The builder and the live run view."""
    return rx.el.div(
        client.Session.create(
            catalog=page_catalog.kinds(catalog),
            icons=client.icon_components(page_catalog.icons(catalog)),
            on_open=StudioState.open_workflow,
            on_commit=StudioState.commit,
            on_run=StudioState.run,
            on_stop=StudioState.stop,
            on_decide=StudioState.decide,
            on_watch=StudioState.watch,
        ),
        rx.cond(
            StudioState.missing,
            missing(),
            rx.el.div(
                top_bar(),
                offline_banner(),
                client.SaveTrouble.create(),
                rx.el.div(
                    client.Palette.create(),
                    rx.el.main(
                        client.Canvas.create(templates=page_catalog.templates(catalog)),
                        client.RunPanel.create(),
                        class_name="stage",
                    ),
                    client.Properties.create(),
                    class_name="workbench",
                ),
                class_name="studio",
            ),
        ),
    )


def overlay() -> rx.Component:
    """Says over every page that the connection is lost, while it is."""
    return rx.cond(
        has_connection_errors,
        rx.el.div(
            "Connection lost. Reconnecting; what you typed is kept.",
            class_name="lost-connection",
            role="status",
            data_testid="lost-connection",
        ),
    )


def loading() -> rx.Component:
    """What is seen until the page's scripts are there."""
    return rx.el.div(rx.el.p("AI Studio", class_name="muted"), class_name="note-page", role="status")


def home_page() -> rx.Component:
    """A moment's wait on the way to a workflow."""
    return rx.el.main(
        rx.el.p("Opening your workflow…", class_name="muted", role="status"),
        class_name="note-page",
    )


def add_pages(app: rx.App, catalog: Catalog) -> None:
    """Every page of the studio."""
    app.add_page(home_page, route="/", title="AI Studio", on_load=StudioState.open_home)
    workflow = partial(workflow_page, catalog)
    app.add_page(workflow, route="/w/[workflow_id]", title="AI Studio", on_load=StudioState.greet)
    app.add_page(not_found, route="404", title="AI Studio")
