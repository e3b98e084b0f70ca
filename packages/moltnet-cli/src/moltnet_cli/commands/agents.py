"""``agents``: list, register, remove."""

from __future__ import annotations

import hashlib
import os
import sys
from typing import TYPE_CHECKING, Final

import click

from moltnet_cli.listing import print_pages
from moltnet_cli.networks import of_store
from moltnet_cli.options import Noun, Paging, dry_run_option, examples, globals_of, paging_options
from moltnet_cli.rendering import Column, print_json, print_text, read_input, safe
from moltnet_cli.stores import locate, reading, rehearsing, writing

if TYPE_CHECKING:
    from moltnet_core import AgentRegistration

__all__ = ["CREDENTIAL_VARIABLE", "agents"]

CREDENTIAL_VARIABLE: Final = "MOLTNET_AGENT_CREDENTIAL"
"""Where ``agents register`` finds the credential key, if it is set."""

_COLUMNS: Final[tuple[Column[AgentRegistration], ...]] = (
    Column("ID", lambda agent: agent.agent_id),
    Column("NAME", lambda agent: agent.display_name),
    Column("NETWORK", lambda agent: agent.network_id, detail=True),
    Column("UID", lambda agent: agent.actor_uid, detail=True),
    Column("URI", lambda agent: agent.actor_uri, detail=True),
    Column("CREATED", lambda agent: agent.created_at),
    Column("UPDATED", lambda agent: agent.updated_at, detail=True),
)


@click.group(cls=Noun)
def agents() -> None:
    """List, register and remove agents. Credentials are never shown."""


@agents.command("list", epilog=examples("moltnet-storage agents list", "moltnet-storage agents list --after alice"))
@paging_options
@click.pass_context
def list_(ctx: click.Context, limit: int | None, before: str | None, after: str | None, everything: bool) -> None:
    """List registered agents by id."""
    paging = Paging(limit, before, after, everything)
    with reading(ctx) as store:
        print_pages(
            ctx,
            lambda page: store.list_agents(page, on_corrupt="skip"),
            paging,
            _COLUMNS,
            empty="no agents",
            by_id=True,
        )


@agents.command(
    epilog=examples(
        "moltnet-storage agents register alice",
        "moltnet-storage agents register alice --token --credential-stdin < token.txt",
        f"{CREDENTIAL_VARIABLE}=… moltnet-storage agents register alice --reconcile",
    )
)
@click.argument("agent_id", metavar="AGENT")
@click.option("--name", default=None, help="A name for people.")
@click.option("--uid", default="", help="The actor's uid.  [a new one]")
@click.option("--uri", default="", help="The actor's URI.  [made of network and id]")
@click.option("--credential-stdin", is_flag=True, help="Read the credential from standard input.")
@click.option("--token", is_flag=True, help="The credential is an agent's token: keep its hash, as the server does.")
@click.option("--reconcile", is_flag=True, help="Bind an agent that has another credential to this one.")
@dry_run_option
@click.pass_context
def register(
    ctx: click.Context,
    agent_id: str,
    name: str | None,
    uid: str,
    uri: str,
    credential_stdin: bool,
    token: bool,
    reconcile: bool,
    dry_run: bool,
) -> None:
    """Register an agent, or update its registration, and create the store if there is none.

    The credential is a secret. It is asked for at a terminal, or read from standard input with --credential-stdin, or
    from the environment variable MOLTNET_AGENT_CREDENTIAL. It is the key as it is stored, such as "token:ID", unless
    --token says that it is an agent's token. The first credential keeps the agent, unless --reconcile is given.
    """
    from moltnet_core import AgentCredentialError, AgentRegistration
    from moltnet_core.derivation import merge_registration
    from moltnet_core.validation import check_member_id, prepare_registration

    check_member_id(agent_id, "AGENT")
    credential = _credential(ctx, from_stdin=credential_stdin)
    if token:
        credential = f"agent-token:{hashlib.sha256(credential.encode()).hexdigest()}"

    def prepared(network: str) -> AgentRegistration:
        return prepare_registration(AgentRegistration(agent_id, network, credential, name, uid, uri))

    # A mistake is told before anything is opened, and nothing is created or upgraded for it.
    prepared(locate(ctx).surroundings().network)
    try:
        with rehearsing(ctx, create=True, dry_run=dry_run) as seen:
            known = seen.get_agent(agent_id) if seen is not None else None
            # An update keeps the network.
            registration = prepared((known and known.network_id) or of_store(ctx, seen))
            stored = merge_registration(known, registration, rebind=reconcile)
        if not dry_run:
            with writing(ctx, create=True) as store:
                stored = (store.reconcile_agent if reconcile else store.register_agent)(registration)
    except AgentCredentialError as error:
        raise click.ClickException(
            f"the agent {agent_id!r} is registered with another credential; --reconcile binds it to this one"
        ) from error
    _show(ctx, stored, "register" if known is None else "update", dry_run=dry_run)


@agents.command(epilog=examples("moltnet-storage agents remove alice", "moltnet-storage agents remove alice --rooms"))
@click.argument("agent_id", metavar="AGENT")
@click.option("--rooms", is_flag=True, help="Take it out of all rooms, too.")
@dry_run_option
@click.pass_context
def remove(ctx: click.Context, agent_id: str, rooms: bool, dry_run: bool) -> None:
    """Drop an agent's registration, so that anybody may register its id anew. An unknown agent is no error."""
    with rehearsing(ctx, create=False, dry_run=dry_run) as seen:
        known = seen is not None and seen.get_agent(agent_id) is not None
        member = seen.get_member(agent_id) if seen is not None and rooms else None
    if not dry_run and (known or member is not None):
        with writing(ctx, create=False) as store:
            store.remove_agent(agent_id)
            if rooms:
                store.remove_agent_from_rooms(agent_id)
    left = member.rooms if member is not None else ()
    if globals_of(ctx).as_json:
        print_json({"agent_id": agent_id, "removed": known, "rooms": list(left)}, dry_run=dry_run)
        return
    print_text(
        safe(
            f"{'would remove' if dry_run else 'removed'} the agent {agent_id}"
            if known
            else f"the agent {agent_id} is not registered"
        )
    )
    if left:
        print_text(safe(f"{'would take' if dry_run else 'took'} it out of {', '.join(left)}"))


def _credential(ctx: click.Context, *, from_stdin: bool) -> str:
    """The secret, from where it can be read without anybody seeing it. It is in no error."""
    if from_stdin:
        try:
            return read_input().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.UsageError("the credential on standard input is not UTF-8 text", ctx) from None
    given = os.environ.get(CREDENTIAL_VARIABLE)
    if given:
        return given
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            f"no credential: use --credential-stdin, set {CREDENTIAL_VARIABLE}, or run this at a terminal", ctx
        )
    answer: str = click.prompt("Credential", hide_input=True, confirmation_prompt=True, err=True)
    return answer


def _show(ctx: click.Context, agent: AgentRegistration, verb: str, *, dry_run: bool) -> None:
    from moltnet_core import to_json

    if globals_of(ctx).as_json:
        print_json(to_json(agent), dry_run=dry_run)
        return
    did = f"would {verb}" if dry_run else f"{verb.removesuffix('e')}ed"
    print_text(safe(f"{did} the agent {agent.agent_id} with the uid {agent.actor_uid}"))
