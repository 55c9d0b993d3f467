from __future__ import annotations

from dataclasses import replace

from fairlead.engine.shards import Act, Lease, LeasePace, Move, shard_of
from tests.builders import at
from tests.engine.leases import ONLY, LeaseServer, Replica


def test_shard_of_a_namespace() -> None:
    """A namespace has the same shard in every process and every version of this program."""
    names = ("default", "team-a", "team-b", "kube-system")
    assert [[shard_of(name, shards) for name in names] for shards in (1, 2, 4, 7)] == [
        [0, 0, 0, 0],
        [1, 0, 0, 1],
        [1, 0, 2, 1],
        [4, 3, 1, 1],
    ]


def test_takes_what_nobody_has() -> None:
    """Where there is no Lease yet, one is made; not before it was read that there is none."""
    replica = Replica(LeaseServer())
    unread = replica.moves(5)
    replica.read(5)
    taken = Lease(ONLY, "a_1", 10, acquired_at=at(5), renewed_at=at(5))
    assert (unread, replica.moves(5)) == ([], [Move(Act.TAKE, taken, Lease(ONLY))])


def test_acts_once_it_is_told_to() -> None:
    """Who has taken a Lease doesn't act on it yet; from `act_on` on, until a margin before others may take it."""
    replica = Replica(LeaseServer())
    replica.read(0)
    (move,) = replica.moves(0)
    replica.roster.written(move, replica.server.write(move.lease), 0.5, 2)
    before = replica.roster.acts_on("team", 2)
    replica.roster.act_on(ONLY)
    assert (before, [replica.roster.acts_on("team", now) for now in (2, 8.4, 8.5, 20)]) == (
        False,
        [True, True, False, False],
    )


def test_renews_in_time() -> None:
    """A Lease is renewed every three seconds, counted from when the last renewal began."""
    replica = Replica(LeaseServer())
    assert [(now, done) for now in range(12) if (done := replica.step(now))] == [
        (0, ["TAKE 0"]),
        (3, ["RENEW 0"]),
        (6, ["RENEW 0"]),
        (9, ["RENEW 0"]),
    ]


def test_a_failed_renewal_is_tried_again() -> None:
    """A second later, and no more often than that."""
    replica = Replica(LeaseServer())
    replica.step(0)
    (move,) = replica.moves(3)
    replica.roster.failed(move, 3.2)
    assert [bool(replica.moves(now)) for now in (3.2, 4.1, 4.2)] == [False, False, True]
    assert replica.roster.next_look(3.2) == 4.2


def test_what_ran_out_before_its_renewal_was_answered_is_taken_once_more() -> None:
    """Looks that came in between were dropped; only who takes a Lease up looks at everything again."""
    server = LeaseServer()
    replica = Replica(server)
    replica.step(0)
    (renewal,) = replica.moves(6)
    replica.roster.written(renewal, server.write(renewal.lease), 6, 8.1)
    assert replica.roster.held() == ()
    assert replica.step(8.1) == ["TAKE 0"]


def test_a_dead_holders_lease_is_taken() -> None:
    """Others take a Lease ten seconds after they saw it renewed for the last time, whatever the times in it say."""
    server = LeaseServer()
    holder, other = Replica(server), Replica(server, "b")
    holder.step(0)
    server.leases[ONLY] = replace(server.leases[ONLY], renewed_at=at(100_000))
    other.read(7)
    assert [[move.act for move in other.moves(now)] for now in (7, 16.9, 17)] == [[], [], [Act.TAKE]]
    assert other.roster.next_look(7.5) == 10.5


def test_a_wish_is_no_sign_of_life() -> None:
    """That a third one asks for a Lease doesn't prolong a dead holder's time."""
    server = LeaseServer()
    holder, other = Replica(server), Replica(server, "b")
    holder.step(0)
    other.read(1)
    server.write(replace(server.leases[ONLY], wanted_by="c_1"))
    other.read(9)
    assert [move.act for move in other.moves(11)] == [Act.TAKE]


def test_a_lease_that_was_left_is_taken_at_once() -> None:
    """With what its last holder left in it, and one transition more."""
    server = LeaseServer()
    holder, other = Replica(server), Replica(server, "b")
    holder.step(0)
    other.read(1)
    holder.leave(ONLY, 1, fence=7)
    done = other.step(1)
    assert (done, other.roster.clean(ONLY), server.leases[ONLY].transitions, server.leases[ONLY].fence) == (
        ["TAKE 0"],
        7,
        1,
        None,
    )
    assert (holder.roster.acts_on("team", 1), other.roster.acts_on("team", 1)) == (False, True)


def test_what_a_dead_holder_has_sent_is_not_known() -> None:
    """Only who left a Lease tells of it."""
    server = LeaseServer()
    Replica(server).step(0)
    other = Replica(server, "b")
    other.read(0)
    other.step(10)
    assert (other.roster.acting(), other.roster.clean(ONLY)) == ((ONLY,), None)


def test_a_restarted_process_goes_on_at_once() -> None:
    """The earlier process of this very replica is dead; what it has sent isn't known."""
    server = LeaseServer()
    Replica(server).step(0)
    again = Replica(server, process="2")
    assert (again.step(1), again.roster.clean(ONLY), server.leases[ONLY].holder) == (["TAKE 0"], None, "a_2")


def test_a_lease_that_another_one_holds_is_lost() -> None:
    """As soon as it is heard of, from wherever."""
    server = LeaseServer()
    replica = Replica(server)
    replica.step(0)
    server.write(replace(server.leases[ONLY], holder="b_1"))
    replica.read(1)
    assert (replica.roster.held(), replica.roster.acts_on("team", 1)) == ((), False)


def test_an_older_version_is_no_news() -> None:
    """A watch that lags behind an answer takes nothing away."""
    server = LeaseServer()
    replica = Replica(server)
    before = Lease(ONLY, "b_1", 10, version=5)
    replica.step(0)
    replica.roster.see(before, 1)
    assert replica.roster.acts_on("team", 1)


def test_a_deleted_lease_is_lost() -> None:
    """Others may make another; a list that is older than the Lease deletes nothing."""
    replica = Replica(LeaseServer())
    replica.step(0)
    replica.roster.see_all((), 50, 1)
    kept = replica.roster.acts_on("team", 1)
    replica.roster.see_all((), 500, 1)
    assert (kept, replica.roster.acts_on("team", 1), replica.roster.held()) == (True, False, ())


def test_leases_are_shared_evenly() -> None:
    """Who comes later asks those that have more, one at a time, and they hand over what they don't act on any more."""
    server = LeaseServer()
    replicas = [Replica(server, name, shards=6) for name in "abc"]
    counts = []
    for now in range(40):
        for replica in replicas[: 1 + now // 10]:
            replica.step(now)
        counts.append(tuple(len(replica.roster.acting()) for replica in replicas))
    assert [counts[now] for now in (0, 9, 19, 39)] == [(6, 0, 0), (6, 0, 0), (3, 3, 0), (2, 2, 2)]


def test_a_wish_that_evens_nothing_out_is_dropped() -> None:
    """The holder of one Lease of two doesn't give it to the holder of the other; its next renewal says so."""
    server = LeaseServer()
    replica, other = Replica(server, shards=2), Replica(server, "b", shards=2)
    for now in range(8):
        replica.step(now)
        other.step(now)
    mine = replica.roster.acting()[0]
    server.write(replace(server.leases[mine], wanted_by="b_1"))
    done = [replica.step(now) for now in range(8, 12)]
    assert (len([each for each in done if each]), server.leases[mine].wanted_by) == (1, "")
    assert replica.roster.acting() == (mine,)


def test_what_was_left_for_somebody_is_left_to_him() -> None:
    """For two seconds; after that anybody takes it."""
    server = LeaseServer()
    server.write(Lease(ONLY, wanted_by="c_1", fence=0, renewed_at=at(0)))
    other = Replica(server, "b")
    other.read(5)
    assert [[move.act for move in other.moves(now)] for now in (5, 6.9, 7)] == [[], [], [Act.TAKE]]
    assert other.roster.next_look(5) == 7


def test_another_layout_is_waited_for() -> None:
    """As long as somebody holds a Lease of another number of shards, none is taken."""
    server = LeaseServer()
    old, new = Replica(server), Replica(server, "b", shards=3)
    old.step(0)
    waiting = [new.step(now) for now in range(5)]
    old.leave(ONLY, 5)
    assert (waiting, new.step(5)) == ([[]] * 5, ["TAKE 0", "TAKE 1", "TAKE 2"])


def test_of_two_layouts_the_older_stays() -> None:
    """Where two were begun at once, who came later doesn't act, and lets go of what it has."""
    server = LeaseServer()
    old, new = Replica(server), Replica(server, "b", shards=2)
    new.read(0)
    moves = new.moves(1)
    old.step(0)
    for move in moves:
        new.roster.written(move, server.write(move.lease), 1, 1)
    new.read(1)
    assert (new.roster.contested(1), new.roster.acting(), old.step(2)) == (True, (), [])
    assert (new.step(2), new.roster.held(), old.roster.acting()) == (["LEAVE 0", "LEAVE 1"], (), (ONLY,))


def test_another_layout_since_makes_unsure() -> None:
    """What was left in good order tells nothing of what those of another layout have sent since."""
    server = LeaseServer()
    first, other = Replica(server), Replica(server, "b", shards=2)
    first.step(0)
    first.leave(ONLY, 1, fence=0)
    other.step(2)
    for lease_id in other.roster.acting():
        other.leave(lease_id, 3)
    first.step(4)
    unsure = first.roster.clean(ONLY)
    first.leave(ONLY, 5, fence=0)
    first.step(6)
    assert (unsure, first.roster.clean(ONLY)) == (None, 0)


def test_the_pace_leaves_a_margin() -> None:
    """A holder stops before others may begin, and has tried to renew more than once by then."""
    pace = LeasePace()
    assert pace.renewal + pace.timeout + pace.retry < pace.duration - pace.margin < pace.duration
