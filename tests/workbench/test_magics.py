"""The magics, in a real IPython shell, on a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("IPython", reason="magics need IPython, which is not installed here")

from IPython.core.interactiveshell import InteractiveShell

from clipperlab import ClipperConnection
from tests.support.clusters import ask

PREDICT = "def predict(inputs):\n    return [{} for _ in inputs]"


@pytest.fixture
def shell(conn: ClipperConnection) -> Iterator[Any]:
    make: Any = InteractiveShell
    shell = make()
    shell.run_line_magic("load_ext", "clipperlab")
    shell.user_ns["conn"] = conn
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_cell_is_deployed_and_the_next_version_after_it(
    conn: ClipperConnection, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    conn.register_application("magic", "floats", -1, 20_000_000)
    shell.run_cell_magic("deploy", "magic --type floats --message first", PREDICT.format(1))
    assert "magic:1 is ready, and current." in capsys.readouterr().out
    conn.link_model_to_app("magic", "magic")
    shell.run_cell_magic("deploy", "magic --staged", PREDICT.format(2))
    said = capsys.readouterr().out
    assert "magic:2 is ready, and staged.\n%clipper set-version magic 2 makes it current." in said
    shell.run_cell_magic("deploy", "magic --staged", PREDICT.format(2))
    assert "magic:2 is this very model already, and not current" in capsys.readouterr().out
    assert ask(conn, "magic", {"input": [1.0]}).json()["output"] == 1
    assert ask(conn, "magic", {"input": [1.0], "version": "2"}).json()["output"] == 2
    shell.run_line_magic("clipper", "set-version magic 2")
    assert conn.get_current_model_version("magic") == "2"
    assert conn.get_model_history("magic")[0]["message"] == "first"


def test_the_command_line_is_there(
    conn: ClipperConnection, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_line_magic("clipper", "")
    assert "shared" in capsys.readouterr().out
    shell.run_line_magic("clipper", "rollback nobody")
    assert "no model 'nobody'" in capsys.readouterr().out
    shell.run_line_magic("clipper", "dance")
    assert "dance" in capsys.readouterr().out


def test_what_goes_wrong_names_magics(
    conn: ClipperConnection, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    conn.register_application("magic-words", "floats", -1, 20_000_000)
    for line, advice in (
        ("register magic-words --input-type floats", "Remove it with `%clipper unregister`"),
        ("feedback magic-words 1 --label 2", "`%clipper collect magic-words` starts it."),
        ("predict magic-words [1.0]", "What to do about it: `%clipper explain no_model_linked`"),
        ("explain nosuch", "`%clipper explain` lists all of them."),
        ("status --cluster-name none-such", "`%clipper start --cluster-name none-such` starts it."),
    ):
        shell.run_line_magic("clipper", line)
        said = capsys.readouterr()
        assert advice in said.out + said.err
    conn.unregister_application("magic-words")
    shell.run_cell_magic("deploy", "untaught --type dataframe", PREDICT.format(1))
    assert "%%deploy has no option for that: conn.deploy(predict, ...) takes it." in capsys.readouterr().out


def test_what_goes_wrong_is_a_sentence(
    conn: ClipperConnection, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell_magic("deploy", "", "1 + 1")
    assert "usage: %%deploy" in capsys.readouterr().out
    shell.run_cell_magic("deploy", "nothing", "x = 1")
    assert "defines no function 'predict'" in capsys.readouterr().out
    shell.run_cell(PREDICT.format(1))
    for cell in ("x = 5", "def predikt(inputs): return inputs"):  # the function is an earlier cell's
        shell.run_cell_magic("deploy", "nothing", cell)
        assert "defines no function 'predict'" in capsys.readouterr().out
    assert "nothing" not in conn.get_all_models()
    shell.run_line_magic("clipper", "status '")
    assert "No closing quotation" in capsys.readouterr().out
    shell.run_cell_magic("deploy", "nothing --message it's", PREDICT.format(1))
    assert "No closing quotation" in capsys.readouterr().out
    shell.run_cell_magic("deploy", "broken --version 1", "def predict(inputs):\n    import no_such_module")
    assert "no_such_module" in capsys.readouterr().out
    del shell.user_ns["conn"]
    shell.run_cell_magic("deploy", "m", PREDICT.format(1))
    assert "no connection in this notebook" in capsys.readouterr().out
    conn.stop_models(["broken"])
