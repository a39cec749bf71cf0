import re

import pytest

from bridge.describe.markdown import markdown
from bridge.rpc import Registry
from tests.describe.sample import small_registry


@pytest.fixture(scope="module")
def page() -> str:
    return markdown(small_registry())


def section(page: str, heading: str) -> str:
    (_, found) = page.split(f"\n### {heading}\n")
    return re.split(r"\n#+ ", found)[0]


def test_methods_are_grouped_by_capability(page):
    order = re.findall(r"^#{2,3} (.+)$", page, re.MULTILINE)
    assert order[:5] == [
        "Job queue",
        "server.job_queue.delete_job",
        "server.job_queue.post_job",
        "server.job_queue.status",
        "Printer",
    ]
    assert "## Job queue\n\nJobs in order, and whether they start by themselves.\n" in page
    assert "for programmers" not in page


def test_every_method_has_its_entry(page):
    for name in small_registry().methods:
        assert page.count(f"\n### {name}\n") == 1


def test_an_entry_tells_route_class_doors_and_result(page):
    entry = section(page, "server.job_queue.post_job")
    assert "Append files to the queue; nothing is added unless every file exists." in entry
    assert "`POST /server/job_queue/job` · class control · MQTT, HTTP, WebSocket" in entry
    assert "Result: [QueueStatus](#type-queuestatus)" in entry


def test_parameters_have_types_defaults_and_words(page):
    entry = section(page, "server.job_queue.post_job")
    assert "| `filenames` | list of string | required | paths relative to gcodes \\| or below |" in entry
    assert "| `reset` | boolean | `false` | empty the queue first |" in entry
    assert "| `limit` | integer, at least 1, at most 50 | `10` |  |" in entry


def test_a_type_in_words_is_not_ambiguous(page):
    entry = section(page, "printer.objects.query")
    assert "| `objects` | object of (list of string or null) | required |" in entry
    assert "Result: any" in entry
    assert 'Result: `"ok"`' in section(page, "printer.emergency_stop")
    queue = section(page, "Type QueueStatus")
    assert '| `queue_state` | one of `"loading"`, `"paused"`, `"ready"` |  |' in queue


def test_a_named_set_of_values_is_listed(page):
    assert '| `wanted` | [Speed](#type-speed) | `"slow"` |  |' in section(page, "printer.speed")
    assert section(page, "Type Speed").strip() == 'How fast.\n\none of `"fast"`, `"slow"`'


def test_a_route_is_shown_where_the_http_door_offers_it(page):
    assert "`GET /server/files/{root}/{filename}` · " in section(page, "server.files.metadata")
    assert "GET" not in section(page, "printer.hidden")


def test_a_method_that_a_door_does_not_offer_says_what_to_do_instead(page):
    entry = section(page, "printer.objects.subscribe")
    assert "class read · HTTP, WebSocket\n" in entry
    assert "Elsewhere: the topics klipper/state/# are the subscription." in entry


def test_notifications_have_a_table(page):
    assert (
        "| `notify_job_queue_changed` | `event/job_queue_changed` | [QueueStatus](#type-queuestatus) | "
        "The queue is another. |" in page
    )
    assert "| `notify_klippy_ready` | `event/klippy_ready` | nothing | Klippy is ready. |" in page
    assert "| `notify_proc_stat_update` | not an event | object of number | Each second. |" in page


def test_every_link_has_its_heading(page):
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    links = re.findall(r"\]\(#([^)]+)\)", page)
    assert links
    assert set(links) <= set(anchors)


def test_tables_have_as_many_cells_as_their_head(page):
    tables = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    assert len(tables) > 5
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_errors_come_from_the_table_of_errors(page):
    assert "| 503 | 503 | The MQTT broker is not connected. |" in page
    assert "| 400 | -32602 |" in page


def test_an_empty_registry_makes_a_page_too():
    page = markdown(Registry())
    assert "## Errors" in page
    assert "## Notifications" not in page
    assert "## Types" not in page
