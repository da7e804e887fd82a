"""The offline model, seen from outside: its protocol, and what it answers to prompts of no template."""

import asyncio
import csv
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aistudio.gallery
import aistudio.llm
from aistudio.llm.client import Completion, ModelClient
from aistudio.llm.offline import MIN_PIECES, OfflineTransport, pieces
from aistudio.llm.simulation.answer import answer
from aistudio.settings import Settings


async def ask(system: str, user: str, *, pace: float = 0.0, **options: Any) -> tuple[Completion, list[str]]:
    """The completion and the pieces of text as they came, over the same client real models answer through."""
    heard: list[str] = []

    async def on_text(text: str) -> None:
        heard.append(text)

    client = ModelClient(Settings(), offline_pace=pace)
    try:
        return await client.complete(system=system, user=user, on_text=on_text, **options), heard
    finally:
        await client.aclose()


async def raw_events(body: dict[str, Any]) -> list[str]:
    """The data of every server-sent event, as it is on the wire."""
    async with (
        httpx2.AsyncClient(transport=OfflineTransport(pace=0)) as http,
        http.stream("POST", "http://offline.invalid/v1/chat/completions", json=body) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream"
        text = "".join([part async for part in response.aiter_text()])
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    return [block.removeprefix("data: ") for block in blocks]


class TestProtocol:
    BODY = {
        "model": "some/model",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Answer yes or no."},
            {"role": "user", "content": "Is water wet?"},
        ],
    }

    async def test_stream_is_a_chat_completion(self) -> None:
        *chunks, done = await raw_events(self.BODY)
        parsed = [json.loads(chunk) for chunk in chunks]
        assert done == "[DONE]"
        assert {chunk["object"] for chunk in parsed} == {"chat.completion.chunk"}
        assert len({chunk["id"] for chunk in parsed}) == 1
        assert parsed[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        contents = [chunk["choices"][0]["delta"].get("content") for chunk in parsed[1:-2]]
        assert len(contents) >= MIN_PIECES
        assert "".join(contents) in {"yes", "no"}
        assert [chunk["choices"][0]["finish_reason"] for chunk in parsed[:-2]] == [None] * (len(parsed) - 2)
        assert parsed[-2]["choices"][0] == {
            "index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None,
        }  # fmt: skip
        usage = parsed[-1]["usage"]
        assert parsed[-1]["choices"] == []
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0

    async def test_every_chunk_says_that_it_is_simulated(self) -> None:
        chunks = [json.loads(event) for event in (await raw_events(self.BODY))[:-1]]
        assert all(chunk["simulated"] is True for chunk in chunks)
        assert {chunk["system_fingerprint"] for chunk in chunks} == {"simulated"}
        assert {chunk["model"] for chunk in chunks} == {"offline/simulated"}

    async def test_completion_says_so_too_and_costs_nothing(self) -> None:
        completion, _ = await ask("You are helpful.", "How do bees find home?", model="openai/gpt-4o")
        assert completion.simulated
        assert completion.model == "offline/simulated"
        assert completion.cost_usd == 0.0
        assert completion.input_tokens > 0
        assert completion.output_tokens > 0

    async def test_same_question_same_answer(self) -> None:
        first, second = [await ask("Write a reply to the customer.", "Where is my order?") for _ in "12"]
        assert first[0].text == second[0].text
        assert first[1] == second[1]

    async def test_token_limit_cuts_the_answer(self) -> None:
        completion, heard = await ask("You are helpful.", "Tell me about bees.", max_tokens=4)
        whole, _ = await ask("You are helpful.", "Tell me about bees.")
        assert completion.output_tokens == 4
        assert whole.text.startswith(completion.text.rstrip())
        assert len(heard) >= MIN_PIECES

    async def test_lifelike_pace(self) -> None:
        long_text = " ".join(
            f"Point {number} is about the harbour and its old ships." for number in range(60)
        )
        started = time.monotonic()
        (short, heard), (long, _) = await asyncio.gather(
            ask("Answer with one word: boat or car.", "It swims on the sea, a boat.", pace=1.0),
            ask("Review and improve the draft.", long_text, pace=1.0),
        )
        assert time.monotonic() - started < 6
        assert short.text == "boat"
        assert heard == [*"boat", *[""] * (MIN_PIECES - 4)]
        assert len(long.text) > 1_000
        assert short.first_token_ms is not None
        assert short.first_token_ms > 100

    async def test_pieces_arrive_one_by_one(self) -> None:
        times: list[float] = []

        async def on_text(_: str) -> None:
            times.append(time.monotonic())

        client = ModelClient(Settings())
        await client.complete(system="You are helpful.", user="How do bees find home?", on_text=on_text)
        await client.aclose()
        assert len(times) >= MIN_PIECES
        # Whoever batches for 50 ms still sees ten batches.
        assert times[-1] - times[0] > 0.05 * (MIN_PIECES - 1)

    async def test_cancelling_stops_it(self) -> None:
        speaking = asyncio.Event()
        heard: list[str] = []

        async def on_text(text: str) -> None:
            heard.append(text)
            speaking.set()

        client = ModelClient(Settings(), offline_pace=5.0)
        task = asyncio.create_task(client.complete(system="Help.", user="Hello, you there?", on_text=on_text))
        await speaking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1)
        await client.aclose()
        assert len(heard) < MIN_PIECES


class TestPieces:
    @given(st.lists(st.text(min_size=1, max_size=9), max_size=300))
    def test_at_least_ten_and_nothing_lost_or_added(self, tokens: list[str]) -> None:
        parts = pieces(tokens)
        assert len(parts) >= MIN_PIECES
        assert "".join(parts) == "".join(tokens)


# Prompts that stand in no template, in many phrasings, and the one label of those offered that is right.
CLASSIFICATIONS = [
    (
        "You are a triage bot. Read the ticket and answer with one word: billing, technical or account.",
        "I was charged twice for my June invoice",
        "billing",
    ),
    (
        "You sort incoming mail.\n\nCategories:\n- hardware: laptops, printers\n- software: programs "
        "and licences\n- network: wifi, vpn, cables\n\nReturn just the category, nothing else.",
        "My VPN keeps dropping every five minutes",
        "network",
    ),
    (
        "Is this review positive, negative or neutral? Reply with a single lowercase word.",
        "The room was dirty and nobody helped us.",
        "negative",
    ),
    (
        "Classify the sentiment (positive/negative/neutral).",
        "Absolutely love it, works perfectly!",
        "positive",
    ),
    (
        "Classify the sentiment (positive/negative/neutral).",
        "It is not good at all.",
        "negative",
    ),
    (
        "Classify the sentiment (positive/negative/neutral).",
        "The parcel arrived on Tuesday.",
        "neutral",
    ),
    (
        'Label the text as "spam" or "not spam".',
        "Congratulations! You won a free prize, click here",
        "spam",
    ),
    (
        'Label the text as "spam" or "not spam".',
        "Hi Bob, are we still meeting at noon?",
        "not spam",
    ),
    (
        "Pick the department (HR, Legal, Facilities) for this request. Answer with the department name only.",
        "I'd like to know how many vacation days I have left",
        "HR",
    ),
    (
        "Does the customer ask for a refund? Answer yes or no.",
        "I want my money back, please refund it",
        "yes",
    ),
    (
        "Does the customer ask for a refund? Answer yes or no.",
        "What colours does the jacket come in?",
        "no",
    ),
    (
        "Rate the urgency of the ticket: low, medium, high.",
        "Production is down, all customers affected!",
        "high",
    ),
    (
        "Rate the urgency of the ticket: low, medium, high.",
        "Tiny typo on the about page, no rush",
        "low",
    ),
    (
        "Output URGENT if the patient needs help right now, otherwise ROUTINE.",
        "I think he is unconscious and not breathing",
        "URGENT",
    ),
    (
        "Assign the headline to a section. Options are Sports | Politics | Technology | Business",
        "Parliament passes new election law",
        "Politics",
    ),
    (
        "Choose between refund, exchange and information. Only reply with the chosen word.",
        "the shoes are the wrong size, can I exchange them for a 43?",
        "exchange",
    ),
    (
        "Possible intents: book_flight, cancel_flight, baggage_info. Respond with the intent only.",
        "I need to cancel my flight tomorrow",
        "cancel_flight",
    ),
    (
        "Detect the language. One of: English, French, German.",
        "Bonjour, je ne peux pas me connecter",
        "French",
    ),
    (
        "Classify the inquiry.\n\n1. Pricing question\n2. Bug report\n3. Feature request\n\nReturn the "
        "category name.",
        "It would be great if you could add dark mode",
        "Feature request",
    ),
    (
        "Which team should get it: red team (security incidents), blue team (infrastructure, servers), "
        "or green team (documentation)? Answer with the team.",
        "There is a spelling mistake in the documentation",
        "green team",
    ),
    (
        "Say urgent if the customer is in danger, normal otherwise.",
        "there's a fire in the building",
        "urgent",
    ),
    (
        "You route tickets.\nLabels:\nbilling\ntechnical\nshipping\n\nReply with the label.",
        "Where is my parcel? tracking has not moved",
        "shipping",
    ),
    (
        "Sort the request into one of three queues — Tier1, Tier2, Tier3 — where Tier1 is password "
        "resets, Tier2 is application errors and Tier3 is outages.",
        "I need a password reset",
        "Tier1",
    ),
    (
        "Classify as A, B or C where A means refund requests, B means delivery problems and C means "
        "anything else. Respond with only the letter.",
        "My package never arrived",
        "B",
    ),
    (
        "Triage the support ticket. Valid categories are: `billing`, `bug`, `how-to`. Only output the "
        "category.",
        "How do I export my data to CSV?",
        "how-to",
    ),
    (
        "Categories: Hardware, Software, Network, Other\n\nReturn the matching category and nothing else.",
        "The coffee machine in the lobby leaks",
        "Other",
    ),
    (
        "Classify the text as 'chart', 'table' or 'text' depending on which display fits. Respond with "
        "one word.",
        "a table of the sales by region",
        "table",
    ),
    (
        "Assign a star rating from 1 to 5 to this review. Only output the number.",
        "Terrible, broken on arrival",
        "1",
    ),
    (
        "",
        "Is it a fruit or a vegetable? One word: carrot",
        "vegetable",
    ),
]


class TestClassification:
    @pytest.mark.parametrize(("system", "user", "label"), CLASSIFICATIONS)
    def test_picks_the_offered_label_that_fits(self, system: str, user: str, label: str) -> None:
        assert answer(system, user) == label

    @pytest.mark.parametrize("user", ["", "lorem ipsum", "42", "???", "\U0001f600"])
    @pytest.mark.parametrize(
        "system", [system for system, _, _ in CLASSIFICATIONS if "one of" in system.lower()]
    )
    def test_without_any_sign_it_still_picks_an_offered_label(self, system: str, user: str) -> None:
        chosen = answer(system, user)
        assert chosen in system
        assert len(chosen.split()) <= 2

    async def test_it_is_the_label_to_the_letter(self) -> None:
        completion, heard = await ask("Answer with one word: tea or coffee.", "A cup of green tea, please")
        assert completion.text == "tea"
        assert "".join(heard[:3]) == "tea"

    def test_headings_of_earlier_steps_are_no_evidence(self) -> None:
        user = "## Billing and invoices\nThe app crashes with an error on every start.\n\n## Mood\nneutral"
        assert answer("Answer with one word: billing or technical.", user) == "technical"

    @pytest.mark.parametrize(
        "system",
        [
            "You are a manager. Write a warm reply. Choose between apologising and thanking.",
            "Improve the draft. Make it polite, short and clear. Return the new text and nothing else.",
            "You sell one of the following products: Alpha, Beta. Write an email that answers the inquiry.",
            "Summarise the text. Mention only the main points: cost, time and quality.",
            "Plan a weekend trip. Include food, travel and hotels.",
        ],
    )
    def test_lists_in_other_prompts_offer_no_labels(self, system: str) -> None:
        assert len(answer(system, "The delivery came late and two of the four boxes were open.").split()) > 8


class TestForms:
    NOTES = (
        "Anna will send the budget by Friday. The login page crashes on Safari and must be fixed. "
        "Tom should schedule a call with the client. We move the launch to June 3."
    )

    @pytest.mark.parametrize(
        ("system", "columns"),
        [
            ("Create a table with columns Task, Owner and Due date.", ["Task", "Owner", "Due date"]),
            ("A Markdown table, please. Columns: Task | Owner.", ["Task", "Owner"]),
            ("Return a table.\n\nColumns:\n- Risk\n- Impact\n- Mitigation", ["Risk", "Impact", "Mitigation"]),
            ("Fill in this table:\n| Step | Result |\n| --- | --- |", ["Step", "Result"]),
            ("Show me everything as a table.", ["Topic", "Details", "Next step"]),
        ],
    )  # fmt: skip
    def test_table_has_the_columns_asked_for(self, system: str, columns: list[str]) -> None:
        header, rule, *rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in answer(system, self.NOTES).splitlines()
        ]
        assert header == columns
        assert rule == ["---"] * len(columns)
        assert len(rows) >= 2
        assert all(len(row) == len(columns) and all(row) for row in rows)

    def test_table_takes_its_cells_from_the_message(self) -> None:
        table = answer("Make a table with columns Task, Owner, Due.", self.NOTES)
        assert re.search(r"\| .*budget.* \| Anna \| by Friday \|", table)
        assert re.search(r"\| .*schedule a call.* \| Tom \|", table)

    def test_table_has_the_rows_asked_for_and_no_stray_bars(self) -> None:
        lines = answer("A table of exactly 7 rows, columns: Name, Note.", "a | b | c\nd | e").splitlines()
        assert len(lines) == 2 + 7
        assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)

    def test_text_and_table_when_both_are_wanted(self) -> None:
        text = answer("Write a summary, followed by a table with columns Topic and Detail.", self.NOTES)
        prose, _, table = text.partition("\n\n|")
        assert len(prose.split()) > 8
        assert table.startswith(" Topic | Detail |")

    def test_table_ruled_out_is_none(self) -> None:
        assert "|" not in answer("Summarise the notes. Do not use a table.", self.NOTES)

    def test_json_has_the_fields_asked_for(self) -> None:
        data = json.loads(answer("Extract as JSON with keys task, owner and is_urgent.", self.NOTES))
        assert data.keys() == {"task", "owner", "is_urgent"}
        assert data["owner"] == "Anna"
        assert isinstance(data["is_urgent"], bool)

    def test_json_follows_the_shape_shown(self) -> None:
        data = json.loads(answer(
            'Return JSON only: {"sentiment": "positive|negative|neutral", "score": 1, "topics": ["..."], '
            '"summary": "one sentence"}',
            "I hate the new editor. It is terrible.",
        ))  # fmt: skip
        assert data["sentiment"] == "negative"
        assert isinstance(data["score"], int)
        assert data["topics"]
        assert isinstance(data["summary"], str)

    def test_json_array_of_objects(self) -> None:
        data = json.loads(
            answer("Respond with a JSON array of objects with fields task and owner.", self.NOTES)
        )
        assert len(data) > 1
        assert all(item.keys() == {"task", "owner"} for item in data)

    def test_chart_data_are_labels_and_values_of_the_message(self) -> None:
        data = json.loads(
            answer("Return chart data as a JSON array of label and value.", "Q1: 10, Q2: 14.5, Q3 = 9")
        )
        assert data == [
            {"label": "Q1", "value": 10},
            {"label": "Q2", "value": 14.5},
            {"label": "Q3", "value": 9},
        ]

    def test_chart_without_numbers_still_has_values(self) -> None:
        data = json.loads(answer("Give me bar chart data (label, value).", self.NOTES))
        assert all(item.keys() == {"label", "value"} and item["value"] > 0 for item in data)

    def test_flowchart_of_the_steps(self) -> None:
        lines = answer(
            "Draw a mermaid flowchart.", "We get the order, then pack it (twice), then [ship] it"
        ).splitlines()
        assert lines[0] == "flowchart TD"
        assert lines[1:] == [
            '    S1["We get the order"]',
            '    S2["pack it twice"]',
            '    S3["ship it"]',
            "    S1 --> S2",
            "    S2 --> S3",
        ]

    def test_csv(self) -> None:
        rows = list(
            csv.reader(io.StringIO(answer("Output CSV with columns item, quantity", "apples 3, pears 5")))
        )
        assert rows == [["Item", "Quantity"], ["Apples", "3"], ["Pears", "5"]]


class TestProse:
    LETTER = (
        "Hi,\n\nwe are a team of 40 at Northwind Rail and evaluate tools for route planning. Could you "
        "tell me what it costs per year? A demo next Tuesday would be great.\n\nBest regards,\nDana Whitfield"
    )

    def test_reply_greets_the_sender_and_takes_up_the_message(self) -> None:
        text = answer("You are a friendly adviser. Write a reply to the customer.", self.LETTER)
        assert text.startswith("Hi Dana,")
        assert "Northwind Rail" in text
        assert "Could you tell me what it costs per year?" in text
        assert "next Tuesday" in text

    def test_word_limit_is_kept(self) -> None:
        text = answer("Summarise the text in at most 20 words.", self.LETTER)
        assert 0 < len(text.split()) <= 20

    def test_sentence_limit_is_kept(self) -> None:
        text = answer("Explain in two sentences what this is about.", TestForms.NOTES)
        assert len(re.findall(r"[.!?](?:\s|$)", text)) == 2

    def test_action_items_are_bullets(self) -> None:
        lines = answer("List three action items from the notes.", TestForms.NOTES).splitlines()
        assert len(lines) == 3
        assert all(line.startswith("- ") for line in lines)
        assert "Anna" in lines[0]

    def test_review_returns_the_draft_better(self) -> None:
        user = (
            "## Question\nWhere is my parcel?\n\n## Draft\nhi there, we are really really sorry that teh "
            "parcel is late!! we will look at it at this point in time"
        )
        text = answer("You are an editor. Review the draft and return only the improved version.", user)
        assert text.startswith("Hi there, we are sorry that the parcel is late. We will look at it now.")
        assert "Where is my parcel" not in text

    def test_review_of_something_good_keeps_it(self) -> None:
        draft = (
            "# Notes\n\n- Trains run hourly.\n- Tickets cost 4 euros.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
        )
        assert answer("Proofread the text.", draft) == draft

    def test_plain_question_is_answered_with_its_own_words(self) -> None:
        text = answer("You are a helpful assistant.", "How do I prune an old apple tree in winter?")
        assert "apple tree" in text
        assert len(text.split()) > 20

    def test_what_it_cannot_do_it_says(self) -> None:
        assert "cannot translate" in answer("Translate the text to Finnish.", "Good morning")


class TestCompositions:
    IDEA = (
        "We should open the shop on Sundays. Half of our visitors come from out of town. Two of five clerks "
        "have small children. The bakery next door sells more on Sundays than on Mondays."
    )
    NEWS = (
        "A garden on the roof\n\nThe school has planted 40 beds on its roof. Pupils measured the heat below: "
        "it fell by six degrees. The beans were ready in June."
    )

    def test_two_sides_argue_from_the_facts_and_differ(self) -> None:
        sides = [
            answer(f"Argue {side} the proposal. Answer one objection.", self.IDEA)
            for side in ("for", "against")
        ]
        assert sides[0] != sides[1]
        assert all("Half of our visitors" in side or "Two of five clerks" in side for side in sides)
        assert all(side.startswith("1. ") for side in sides)

    def test_a_thread_has_the_posts_asked_for_and_the_link(self) -> None:
        text = answer("Write a thread of three posts with the link https://school.example/roof.", self.NEWS)
        posts = text.split("\n\n")
        assert [post[:4] for post in posts] == ["1/3 ", "2/3 ", "3/3 "]
        assert posts[-1].endswith("https://school.example/roof")

    def test_a_post_and_a_blurb_speak_of_the_article(self) -> None:
        post = answer("Turn the article into a LinkedIn post.", self.NEWS)
        assert post.startswith("The school has planted 40 beds")
        assert answer("Write a newsletter blurb.", self.NEWS).startswith("**A garden on the roof**")

    def test_research_without_a_search_invents_nothing(self) -> None:
        text = answer("Research the market. Who buys roof gardens? What do they pay?", self.NEWS)
        assert "- Who buys roof gardens?" in text
        assert "looks nothing up" in text

    def test_a_document_has_the_headings_asked_for_and_the_parts_of_their_names(self) -> None:
        notes = "Tom will water the beds by Friday. We agreed to buy no pump."
        user = f"## Notes\n{notes}\n\n## Costs\nThe pump costs 90 euros."
        text = answer("Write the minutes. Use these headings: Decisions, Tasks, Costs", user)
        assert text == (
            "## Decisions\n\n- We agreed to buy no pump.\n\n## Tasks\n\n- Tom will water the beds by Friday."
            "\n\n## Costs\n\nThe pump costs 90 euros."
        )

    def test_a_reply_tells_what_was_settled_since(self) -> None:
        user = f"## Question\n{TestProse.LETTER}\n\n## Office\nA demo is booked for next Tuesday at ten."
        text = answer("Write a reply to the customer.", user)
        assert text.startswith("Hi Dana,")
        assert "\n\nA demo is booked for next Tuesday at ten.\n\n" in text


class TestAnyPrompt:
    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=400), st.text(max_size=400))
    def test_never_fails_and_never_says_nothing(self, system: str, user: str) -> None:
        assert answer(system, user).strip() or not (system.strip() or user.strip())

    FRAGMENTS = re.findall(
        r"\S+",
        "classify one of only word table columns json keys chart mermaid reply draft summary bullet yes no "
        "or and either regards, 50% three sentences rate from 1 to 10 a@b.c €5 ## ' \" ` ( ) [ ] { } : , . -",
    )
    FRAGMENTS += ["*", "|", "/", "\n", "\x00", "My name is Bob"]

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.sampled_from(FRAGMENTS), max_size=60), st.lists(st.sampled_from(FRAGMENTS), max_size=60)
    )
    def test_never_fails_on_the_words_it_looks_for(self, system: list[str], user: list[str]) -> None:
        assert isinstance(answer(" ".join(system), " ".join(user)), str)

    @pytest.mark.parametrize(
        "piece",
        ["a ", "1", "- x\n", "word, ", "A. ", "|a|b|\n", "(", "{", "a-", "a@", "## t\nbody\n\n", "é—"],
    )
    def test_huge_input_takes_no_time(self, piece: str) -> None:
        huge = piece * (256 * 1024 // len(piece))
        started = time.process_time()
        for system in (
            "Answer with one of: a, b.",
            "Table with columns A, B.",
            "Reply to the customer.",
            "Help.",
        ):
            answer(system, huge)
        assert time.process_time() - started < 8


def test_nothing_here_knows_the_gallery() -> None:
    """The offline model is told nothing of the templates it will meet."""
    code = "\n".join(path.read_text() for path in Path(aistudio.llm.__path__[0]).rglob("*.py")).casefold()
    found = list(Path(aistudio.gallery.__path__[0]).glob("*.json"))
    assert found
    for path in found:
        template = json.loads(path.read_text())
        named = [template["slug"], template["name"], *(node["title"] for node in template["graph"]["nodes"])]
        named += [
            line
            for node in template["graph"]["nodes"]
            for value in node["config"].values()
            if isinstance(value, str)
            for line in value.splitlines()
        ]
        for text in named:
            if len(text.split()) > 1 or "-" in text:
                assert text.casefold() not in code
