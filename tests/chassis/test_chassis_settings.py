"""Every setting works from both sides, is checked, and is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from basanite_services.chassis.settings import (
    Settings,
    flag,
    load_settings,
    on_command_line,
    settings_table,
    shown_default,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    rows = [
        line
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith(f"| `BASANITE_{name.upper()}` |")
    ]
    assert len(rows) == 1
    field = Settings.model_fields[name]
    assert field.description
    assert f"| {shown_default(field)} |" in rows[0]
    assert field.description in rows[0]
    assert (f"`{flag(name)}`" in rows[0]) == on_command_line(name)


def test_the_table_in_the_documentation_is_the_generated_one() -> None:
    assert settings_table() in DOCUMENT.read_text()


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASANITE_CELLS", "3")
    monkeypatch.setenv("BASANITE_QUEUE_ITEMS", "12345")
    monkeypatch.setenv("BASANITE_INSECURE", "true")
    settings = load_settings(["--cells", "5", "--max-item-bytes", "1MiB", "--no-insecure"])
    assert settings.cells == 5
    assert settings.queue_items == 12345
    assert settings.max_item_bytes == 1 << 20
    assert settings.insecure is False


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--cells", "0"], "--cells (BASANITE_CELLS)"),
        (["--listen", "nowhere"], "unix:/path or host:port"),
        (["--drain-seconds", "nan"], "--drain-seconds"),
        (["--max-message-bytes", "4GiB"], "--max-message-bytes"),
        (["--max-item-bytes", "10"], "at least 1024 bytes"),
        (["--max-item-bytes", "1GiB"], "max_item_bytes must be at most max_message_bytes"),
        (["--queue-items", "5"], "max_batch_items must be at most queue_items"),
        (["--tls-cert", "c.pem"], "belong together"),
        (["--insecure", "--token-file", "t"], "without a token"),
        (["--metrics-listen", "unix:/x"], "host:port"),
        (["--log-level", "loud"], "--log-level"),
        (["--token", "secret-secret-secret"], "--token"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_a_bad_setting_is_named_and_ends_with_status_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        load_settings(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_bad_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASANITE_TOKEN", "too short")
    with pytest.raises(SystemExit):
        load_settings([])
    error = capsys.readouterr().err
    assert "BASANITE_TOKEN" in error
    assert "too short" not in error
