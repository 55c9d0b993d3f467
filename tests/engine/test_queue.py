from __future__ import annotations

import asyncio

from fairlead.engine.queue import FIRST_PAUSE, LONGEST_PAUSE, KeyedQueue
from tests.fakes import passing, virtually


async def taken(queue: KeyedQueue[str], seconds: float = 0) -> list[str]:
    """Take what is there, or comes within so many seconds, and give nothing of it back."""
    found = []
    while True:
        try:
            async with asyncio.timeout(seconds):
                found.append(await queue.take())
        except TimeoutError:
            return found


def now() -> float:
    """Give the loop's time, without what floating point adds to it."""
    return round(asyncio.get_running_loop().time(), 6)


@virtually
async def test_in_order() -> None:
    """Keys are handed out as they came, each once, however often it was added."""
    queue = KeyedQueue[str]()
    for key in "abcab":
        queue.add(key)
    assert (len(queue), await taken(queue, 1), len(queue)) == (3, ["a", "b", "c"], 0)


@virtually
async def test_lanes_take_turns() -> None:
    """However many keys a lane has, the next key of another lane waits for one of them."""
    queue = KeyedQueue[str](lambda key: key[0])
    for key in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
        queue.add(key)
    assert (len(queue), await taken(queue)) == (7, ["a1", "b1", "c1", "a2", "b2", "a3", "a4"])


@virtually
async def test_a_lane_that_comes_back_takes_its_turn() -> None:
    """A lane that was empty meanwhile comes after the others, not before them."""
    queue = KeyedQueue[str](lambda key: key[0])
    for key in ("a1", "b1", "b2", "b3"):
        queue.add(key)
    found = [await queue.take(), await queue.take()]
    queue.add("a2")
    assert [*found, *await taken(queue)] == ["a1", "b1", "b2", "a2", "b3"]


@virtually
async def test_newcomers_let_others_go_first() -> None:
    """Inside of a lane what somebody waits for goes first, but for every fifth, which is a newcomer."""
    queue = KeyedQueue[str]()
    for key in ("n1", "n2", "n3", "n4"):
        queue.add(key, soon=False)
    for number in range(10):
        queue.add(f"s{number}")
    assert " ".join(await taken(queue)) == "s0 s1 s2 s3 n1 s4 s5 s6 s7 n2 s8 s9 n3 n4"


@virtually
async def test_sooner() -> None:
    """A newcomer that somebody begins to wait for changes lines; the other way round it keeps its place."""
    queue = KeyedQueue[str]()
    for key in ("n1", "n2", "n3"):
        queue.add(key, soon=False)
    queue.add("n3")
    queue.add("s1")
    queue.add("n3", soon=False)
    assert (len(queue), await taken(queue)) == (4, ["n3", "s1", "n1", "n2"])


@virtually
async def test_since() -> None:
    """A key that is worked on tells when it was first asked for, and one that was asked for meanwhile, too."""
    queue = KeyedQueue[str]()
    queue.add("a")
    await passing(2)
    queue.add("a")
    await passing(1)
    found = [queue.since("a"), queue.since(await queue.take())]
    await passing(1)
    queue.add("a", soon=False)
    await passing(1)
    queue.done("a")
    found.append(queue.since(await queue.take()))
    assert (found, now()) == ([None, 0, 4], 5)


@virtually
async def test_never_twice_at_once() -> None:
    """A key that is added while it is worked on is handed out again, once, when that work is done."""
    queue = KeyedQueue[str]()
    queue.add("a")
    first = await queue.take()
    queue.add("a")
    queue.add("a")
    meanwhile = await taken(queue, 1)
    queue.done("a")
    assert (first, meanwhile, await taken(queue, 1)) == ("a", [], ["a"])


@virtually
async def test_done_with_it() -> None:
    """A key that wasn't added meanwhile isn't handed out again."""
    queue = KeyedQueue[str]()
    queue.add("a")
    queue.done(await queue.take())
    assert await taken(queue, 1) == []


@virtually
async def test_workers_wait() -> None:
    """Any number of workers wait, and each key goes to one of them."""
    queue = KeyedQueue[str]()
    found: list[str] = []

    async def work() -> None:
        while True:
            key = await queue.take()
            await passing(1)
            found.append(f"{key} at {now():g}")
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(2)]
    await passing(10)
    for key in "abc":
        queue.add(key)
    await passing(10)
    for worker in workers:
        worker.cancel()
    assert found == ["a at 11", "b at 11", "c at 12"]


@virtually
async def test_no_key_twice_at_once_ever() -> None:
    """Many workers and many wishes: no key is worked on by two, and none is lost."""
    queue = KeyedQueue[int]()
    busy: set[int] = set()
    looked: list[int] = []

    async def work() -> None:
        while True:
            key = await queue.take()
            assert key not in busy
            busy.add(key)
            await passing(0.1 * (key + 1))
            busy.remove(key)
            looked.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(4)]
    for turn in range(20):
        for key in range(5):
            queue.add(key)
            queue.add_after(key, 0.05 * turn)
        await passing(0.07)
    await passing(100)
    assert [worker.done() for worker in workers] == [False] * 4
    for worker in workers:
        worker.cancel()
    assert (set(looked), len(queue)) == (set(range(5)), 0)


@virtually
async def test_earliest_wish() -> None:
    """Of several wishes for a later look, the earliest counts, and it alone."""
    queue = KeyedQueue[str]()
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    assert await taken(queue, 1.9) == []
    assert (await taken(queue, 0.2), now()) == (["a"], 2.2)
    queue.done("a")
    assert await taken(queue, 20) == []


@virtually
async def test_at_once() -> None:
    """A wish for a moment that has passed is one for now."""
    queue = KeyedQueue[str]()
    queue.add_after("a", -5)
    assert (await queue.take(), now()) == ("a", 0)


@virtually
async def test_due_while_worked_on() -> None:
    """A later look that is due while the key is worked on follows that work."""
    queue = KeyedQueue[str]()
    queue.add("a")
    queue.add_after("a", 1)
    await queue.take()
    meanwhile = await taken(queue, 5)
    queue.done("a")
    assert (meanwhile, await taken(queue, 5)) == ([], ["a"])


@virtually
async def test_growing_pauses() -> None:
    """A key that keeps failing waits longer each time, up to a minute; a success starts over."""
    queue = KeyedQueue[str]()
    pauses = []
    for _ in range(12):
        pauses.append(queue.retry("a"))
        queue.done(await queue.take())
    waited = now()
    queue.succeeded("a")
    assert (pauses, waited, queue.retry("a")) == (
        [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, LONGEST_PAUSE, LONGEST_PAUSE],
        round(sum(pauses), 6),
        FIRST_PAUSE,
    )


@virtually
async def test_many_failures() -> None:
    """However often it fails, the pause stays a minute."""
    queue = KeyedQueue[str]()
    assert [queue.retry("a") for _ in range(2000)][-1] == LONGEST_PAUSE


@virtually
async def test_told_how_long() -> None:
    """A pause is at least as long as the server asks for, a longer one than a minute included."""
    queue = KeyedQueue[str]()
    assert (queue.retry("a", 7), queue.retry("a", 90), queue.retry("a", 0)) == (7, 90, 0.4)


@virtually
async def test_forget() -> None:
    """A key that is forgotten isn't looked at later, and starts over when it comes back."""
    queue = KeyedQueue[str]()
    queue.retry("a")
    queue.forget("a")
    queue.forget("b")
    assert (await taken(queue, 10), queue.retry("a")) == ([], FIRST_PAUSE)


async def test_real_loop() -> None:
    """It is the same on a loop that waits for real."""
    queue = KeyedQueue[str]()
    queue.add_after("later", 0.02)
    queue.add("now")
    async with asyncio.timeout(10):
        assert [await queue.take(), await queue.take()] == ["now", "later"]
