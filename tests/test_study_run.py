"""Runs of a study: kept by content, resumed, guarded, redone when damaged; on a real local cluster where it matters."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib

import polars as pl
import psutil
import pytest
from distributed import Client

from leanseq import InputError
from leanseq.cli import main
from leanseq.study import drive
from leanseq.study.engine import Done, Engine, Layout, candidates, open_engine, work
from leanseq.study.pace import Estimate, estimate
from leanseq.study.plan import make_plan
from leanseq.study.results import read_results
from leanseq.study.spec import parse_spec
from leanseq.study.store import Busy, fail, locked, make_ready, state
from leanseq.study.worker import Outcome, run, to_task
from leanseq.training.fit import Watcher
from toy import STUDY, rows

BASE = {"size": "tiny", "epochs": 2, "batch": 16, "train": 60, "valid": 40, "test": 40}
RESULTS = ("model.safetensors", "predictions.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the toy table and the toy study."""
    folder = tmp_path_factory.mktemp("study")
    rows().write_csv(folder / "toy.tsv", separator="\t")
    (folder / "toy.toml").write_text(STUDY)
    return folder


def plan(folder, **base):
    spec = parse_spec({"title": "?", "table": "toy.tsv", "seeds": 1, "base": {**BASE, **base}}, str(folder / "s.toml"))
    return make_plan(spec)


def task(folder, store, **base):
    made = plan(folder, **base)
    unit = made.units[0]
    return to_task(unit.settings, folder / "toy.tsv", store / unit.key, 1)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    """A store that holds one finished run."""
    store = tmp_path_factory.mktemp("store")
    assert run(task(folder, store)) == Outcome("finished")
    return store


@pytest.fixture
def store(finished, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(finished, tmp_path / "store")


def only(store):
    """The one run of a store."""
    (found,) = [path for path in store.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return found


def curve(folder):
    return pl.read_csv(folder / "history.csv").drop("seconds")


def same(one, other):
    """Whether two runs have the same bits."""
    return curve(one).equals(curve(other)) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in RESULTS
    )


def test_a_finished_run_is_not_run_again(folder, store):
    before = {path: path.stat().st_mtime_ns for path in only(store).iterdir()}
    assert run(task(folder, store)) == Outcome("finished")
    assert {path: path.stat().st_mtime_ns for path in only(store).iterdir()} == before
    assert state(only(store)).name == "finished"


def test_an_interrupted_run_goes_on_to_the_same_bits_with_the_threads_it_was_started_with(folder, finished, tmp_path):
    def stop(record):
        raise KeyboardInterrupt

    begun = task(folder, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(begun, Watcher(epoch=stop))  # before the checkpoint of this epoch: the process is as good as killed
    assert state(only(tmp_path)).name == "interrupted"
    begun.settings["machine"]["threads"] = 2
    assert run(begun) == Outcome("finished")
    assert json.loads((only(tmp_path) / "run.json").read_text())["hardware"]["threads"] == 1
    assert same(only(tmp_path), only(finished))


def stopped(folder, store, **base):
    """A run that was killed after its first epoch."""

    def stop(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    begun = task(folder, store, **base)
    with pytest.raises(KeyboardInterrupt):
        run(begun, Watcher(epoch=stop))
    return begun


def test_another_study_goes_on_with_a_run_that_means_the_same(folder, tmp_path):
    model = "legnet-optimized+lstm"
    stopped(folder, tmp_path, model=model, **{"lstm.hidden": 128})
    assert run(task(folder, tmp_path, model=model)) == Outcome("finished")
    assert len(list(tmp_path.glob("*/sound.json"))) == 1


def test_a_damaged_checkpoint_is_kept_aside_and_the_run_begun_anew(folder, finished, tmp_path):
    begun = stopped(folder, tmp_path)
    place = only(tmp_path)
    (place / "checkpoint.json").write_text("{")
    assert run(begun) == Outcome("finished")
    assert same(place, only(finished))
    assert (tmp_path / f"{place.name}.damaged-1" / "checkpoint.json").exists()


def test_a_record_that_cannot_be_read_now_costs_nothing(folder, tmp_path):
    begun = stopped(folder, tmp_path)
    record = only(tmp_path) / "run.json"
    record.rename(tmp_path / "kept")
    record.mkdir()
    outcome = run(begun)
    assert outcome.status == "failed"
    assert "run.json: cannot be read (Is a directory); try again" in outcome.reason
    assert (only(tmp_path) / "checkpoint.json").exists()
    record.rmdir()
    (tmp_path / "kept").rename(record)
    assert run(begun) == Outcome("finished")


def test_a_run_of_another_process_is_left_alone(folder, store):
    folder_of_run = only(store)
    (folder_of_run / "sound.json").unlink()
    code = (
        "import sys, time; from pathlib import Path; from leanseq.study.store import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder_of_run], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert state(folder_of_run).name == "running"
        assert run(task(folder, store)) == Outcome("busy")
        with pytest.raises(Busy), locked(folder_of_run):
            pass
        holder.kill()  # the lock goes with its process
    assert run(task(folder, store)) == Outcome("finished")


def test_a_loss_that_is_not_finite_is_a_reason_not_a_crash(folder, tmp_path):
    outcome = run(task(folder, tmp_path, lr=1e6, clip=0, schedule="constant"))
    assert outcome.status == "failed"
    assert "the loss is not finite at step" in outcome.reason


def test_a_failure_is_remembered_until_it_is_tried_again(folder, tmp_path):
    made = plan(folder)
    place = tmp_path / made.units[0].key
    fail(place, "no luck", 3)
    assert state(place) == ("failed", "no luck")
    assert drive.units_to_run(made, tmp_path, retry=False) == []
    assert drive.units_to_run(made, tmp_path, retry=True) == list(made.units)
    assert run(task(folder, tmp_path)) == Outcome("finished")
    assert state(place).name == "finished"


def cut(name):
    def change(path):
        lines = (path / name).read_bytes()
        (path / name).write_bytes(lines[: len(lines) // 2])

    return change


def drop(name):
    return lambda path: (path / name).unlink()


DAMAGE = {
    "truncated-history": (cut("history.csv"), "history.csv: changed or cut short since the run finished"),
    "truncated-predictions": (cut("predictions.parquet"), "predictions.parquet: changed or cut short"),
    "missing-weights": (drop("model.safetensors"), "model.safetensors: is missing"),
    "missing-record": (drop("run.json"), "run.json: is missing"),
    "damaged-metrics": (lambda path: (path / "metrics.json").write_text("{"), "metrics.json: changed or cut short"),
    "damaged-seal": (cut("sound.json"), r"sound.json: damaged \("),
    "other-seal": (lambda path: (path / "sound.json").write_text("{}"), "sound.json: names other files than a run has"),
    "a-folder-for-a-file": (
        lambda path: ((path / "data.json").unlink(), (path / "data.json").mkdir()),
        r"data.json: cannot be read \(Is a directory\)",
    ),
}


@pytest.mark.parametrize(("change", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_run_is_told_kept_aside_and_redone(folder, store, finished, change, reason):
    place = only(store)
    change(place)
    assert state(place).name == "damaged"
    with pytest.raises(InputError, match=f"{reason}.*run the study again"):
        read_results(plan(folder), store)
    with pytest.raises(InputError, match="none of its runs is finished"):
        read_results(plan(folder), store, partial=True)
    assert drive.units_to_run(plan(folder), store, retry=False)
    assert run(task(folder, store)) == Outcome("finished")
    assert same(place, only(finished))
    assert (store / f"{place.name}.damaged-1").is_dir()


def test_what_was_never_started_properly_is_cleared(store):
    place = only(store)
    for path in place.iterdir():
        path.unlink()
    (place / "data.json").write_text("{}")
    assert not make_ready(place)
    assert not place.exists()


def test_an_unfinished_study_is_not_reported(folder, tmp_path):
    with pytest.raises(InputError, match="the run is waiting, expected finished; run the study first"):
        read_results(plan(folder), tmp_path)


def test_results_are_those_of_the_runs(folder, finished):
    (found,) = read_results(plan(folder), finished).configurations
    frame = pl.read_parquet(only(finished) / "predictions.parquet").filter(pl.col("split") == "test")
    assert found.predictions.tolist() == [frame["prediction"].to_list()]
    assert found.r("test")[0] == pytest.approx(frame.select(pl.corr("expression", "prediction")).item())
    assert found.ridge("test") == pytest.approx(frame.select(pl.corr("expression", "kmer_ridge")).item())
    assert found.history["seed"].unique().to_list() == [0]
    held = parse_spec(
        {"title": "?", "table": "toy.tsv", "seeds": 1, "base": BASE, "compare": {"rows": "held-out"}},
        str(folder / "s.toml"),
    )
    (both,) = read_results(make_plan(held), finished).configurations
    assert len(both.expression) > len(found.expression)


# --- many runs --------------------------------------------------------------------------------------------------------


def no_workers():
    """An engine without any: what is tested stands in for its work."""
    engine = Engine.__new__(Engine)
    object.__setattr__(engine, "threads", 1)
    return engine


def drive_with(monkeypatch, made, store, answers):
    """Drive a study whose tasks give these answers in turn: outcomes or errors."""
    told, answers = [], list(answers)

    def work(engine, function, items, again):
        for item in items:
            while True:
                answer = answers.pop(0)
                done = Done(item, *((None, answer) if isinstance(answer, Exception) else (answer, None)))
                if not again(done):
                    yield done
                    break

    monkeypatch.setattr(drive, "work", work)
    times = {unit.key: Estimate(1.0, 0.1, 0.1) for unit in made.units}
    drive.run_study(made, list(made.units), store, no_workers(), times, told.append)
    return told, answers


def test_a_lost_worker_is_replaced_and_given_up_after_some_tries(folder, tmp_path, monkeypatch):
    from distributed.scheduler import KilledWorker

    made = plan(folder)
    lost = KilledWorker("task", "worker", 3)  # pyright: ignore[reportArgumentType]
    told, left = drive_with(monkeypatch, made, tmp_path, [lost, Outcome("busy"), lost, Outcome("finished")])
    assert (told[0].outcome.status, left) == ("finished", [])
    told, _ = drive_with(monkeypatch, made, tmp_path, [lost] * drive.TRIES)
    assert "the worker process was lost 3 times over" in told[0].outcome.reason
    assert "out of memory" in state(tmp_path / made.units[0].key).reason


def test_a_failed_run_does_not_stop_the_others(folder, tmp_path, monkeypatch):
    spec = parse_spec({"title": "?", "table": "toy.tsv", "seeds": 3, "base": BASE}, str(folder / "s.toml"))
    made = make_plan(spec)
    answers = [Outcome("failed", "not finite"), ValueError("odd"), Outcome("finished")]
    told, _ = drive_with(monkeypatch, made, tmp_path, answers)
    assert [progress.outcome.status for progress in told] == ["failed", "failed", "finished"]
    assert [progress.done for progress in told] == [1, 2, 3]
    assert state(tmp_path / made.units[0].key).reason == "not finite"
    assert state(tmp_path / made.units[1].key).reason == "ValueError: odd"


def test_a_run_with_a_budget_measures_its_own_speed(folder, tmp_path, monkeypatch):
    sent = []

    def work(engine, function, items, again):
        sent.extend(item[1] for item in items)
        return iter(())

    monkeypatch.setattr(drive, "work", work)
    for base in ({"epochs": 2}, {"epochs": None, "budget": "9s"}):
        values = {key: value for key, value in {**BASE, **base}.items() if value is not None}
        spec = parse_spec({"title": "?", "table": "toy.tsv", "seeds": 1, "base": values}, str(folder / "s.toml"))
        made = make_plan(spec)
        times = {unit.key: Estimate(1.0, 0.1, 0.2) for unit in made.units}
        drive.run_study(made, list(made.units), tmp_path, no_workers(), times, lambda told: None)
    assert [each.pace for each in sent] == [(0.1, 0.2), None]


@pytest.fixture
def client():
    """One worker in a thread of this process."""
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as client:
        yield client


def test_an_item_is_drawn_only_when_a_worker_is_free(client):
    drawn, came, asked = [], [], []

    def items():
        for i in range(4):
            drawn.append(i)
            yield i

    def again(done):
        asked.append(done.item)
        return asked == [0, 1]

    for done in work(Engine(client, 1, {}), str, items(), again):
        came.append((done.result, len(drawn)))
    assert came == [("0", 1), ("1", 2), ("2", 3), ("3", 4)]
    assert asked == [0, 1, 1, 2, 3]


def test_a_lost_scheduler_is_one_line(client, monkeypatch):
    found = work(Engine(client, 1, {}), str, [1, 2], lambda done: False)
    assert next(found).result == "1"

    def gone(*arguments, **options):
        raise ConnectionError("gone away")

    monkeypatch.setattr(client, "submit", gone)
    with pytest.raises(InputError, match=r"the scheduler was lost \(gone away\); run the same command again"):
        next(found)


def test_an_estimate_that_cannot_be_made_names_the_configuration(folder, tmp_path):
    made = plan(folder, model="legnet-optimized+transformer", **{"transformer.heads": 7})
    with pytest.raises(InputError, match=r"s\.toml: configuration 's': .*heads"):
        estimate(made, list(made.units), tmp_path, 1)


def test_layouts_use_all_cores():
    assert candidates(6) == [Layout(6, 1), Layout(3, 2), Layout(2, 3), Layout(1, 6)]


def test_an_unknown_scheduler_is_refused(monkeypatch):
    monkeypatch.setattr("leanseq.study.engine.CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense"):
        said = pytest.raises(InputError, match=r"no scheduler answers there within .* s; start one with")
        with said, open_engine(Layout(1, 1), address):
            pass


def command(*arguments):
    return [sys.executable, "-c", "from leanseq.cli import main; main()", *map(str, arguments)]


def _hear():
    """Hear Ctrl-C even where the tests run in the background of a script: a shell has that ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(line, number, when, log):
    """Start a command, send a signal to it and its workers once it is time, and give what it said."""
    begin = {"start_new_session": True, "preexec_fn": _hear}
    with log.open("w") as stderr, subprocess.Popen(line, stderr=stderr, **begin) as process:
        until = time.monotonic() + 120
        while not when(process.pid) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, number)
    return process.returncode, log.read_text()


def test_a_study_survives_kill_9_and_ctrl_c_and_is_reported(folder, tmp_path, capfd):
    """Two processes; all are killed once, stopped once; then the same command ends it to the same bits."""
    peace, killed, study = tmp_path / "peace", tmp_path / "killed", folder / "long.toml"
    study.write_text(STUDY.replace("epochs = 2", "epochs = 8"))  # long enough to be stopped on the way
    made = make_plan(parse_spec(tomllib.loads(study.read_text()), str(study)))
    for unit in made.units:
        assert run(to_task(unit.settings, folder / "toy.tsv", peace / unit.key, 1)) == Outcome("finished")
    line = command("study", "run", study, "--store", killed, "--processes", "2", "--threads", "1")
    line += ["--output", tmp_path / "report"]
    stop(line, signal.SIGKILL, lambda _: any(killed.glob("*/checkpoint.json")), tmp_path / "1.log")
    code, said = stop(line, signal.SIGINT, lambda _: any(killed.glob("*/sound.json")), tmp_path / "2.log")
    assert code == 130
    assert "Traceback" not in said
    assert "run the same command again to continue" in said
    assert not all((killed / unit.key / "sound.json").exists() for unit in made.units)
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "4 runs: 4 finished" in done.stderr
    assert all(same(peace / unit.key, killed / unit.key) for unit in made.units)
    with pytest.raises(SystemExit, match="0"):
        main(["study", "status", str(study), "--store", str(killed)])
    assert "4 runs: 4 finished" in capfd.readouterr().out


@pytest.mark.parametrize("begun", [1, 2])
def test_ctrl_c_is_heard_while_workers_start(folder, tmp_path, begun):
    """A terminal sends it to the driver and to all workers, of which so many have begun to start."""

    def starting(driver):
        return len([each for each in psutil.Process(driver).children() if "spawn_main" in str(each.cmdline())]) >= begun

    line = command("study", "run", folder / "toy.toml", "--store", tmp_path / "s", "--processes", "2", "--threads", "1")
    code, said = stop(line, signal.SIGINT, starting, tmp_path / "log")
    assert (code, "Traceback" in said) == (130, False)
    assert "run the same command again to continue" in said
    assert not any((tmp_path / "s").glob("*/history.csv"))  # stopped before any work


# --- places that cannot be written to ---------------------------------------------------------------------------------


@pytest.fixture
def mounted(tmp_path):
    """Mount a small or read-only file system; skips where that is not allowed."""
    places = []

    def mount(options):
        place = tmp_path / "mounted"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
        if done.returncode:
            pytest.skip("no right to mount a file system here")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_a_reason_and_a_larger_one_ends_the_run(folder, finished, mounted):
    store = mounted("size=300k")
    outcome = run(task(folder, store))
    assert outcome.status == "failed"
    assert "cannot write the file: No space left on device" in outcome.reason
    subprocess.run(["mount", "-o", "remount,size=30m", store], check=True)
    assert run(task(folder, store)) == Outcome("finished")
    assert same(only(store), only(finished))


def test_a_read_only_store_is_refused_before_anything_starts(folder, mounted, capsys):
    store = mounted("ro")
    with pytest.raises(SystemExit) as stopped:
        main(["study", "run", str(folder / "toy.toml"), "--store", str(store)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "cannot write a run here" in said
    assert "Traceback" not in said
    assert run(task(folder, store)).status == "failed"
