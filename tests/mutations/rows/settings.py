"""Rules of what a deployment sets, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ENV_FILE, GOES_WRONG, HOST_NAMES

FILE = "app/env_file.py"

MUTATIONS = (
    Mutation(
        "a line of the file that cannot be read counts as if nobody had written it",
        FILE,
        "        if binding.error or _loses_a_setting(binding, known):\n",
        "        if _loses_a_setting(binding, known):\n",
        (ENV_FILE,),
    ),
    Mutation(
        "a name with its value behind a colon counts as if nobody had written it",
        FILE,
        "if binding.value is None or (begins and begins[1].upper() in known):",
        "if begins and begins[1].upper() in known:",
        (ENV_FILE,),
    ),
    Mutation(
        "a known name that a colon continues up to a = counts as if nobody had written it",
        FILE,
        "if binding.value is None or (begins and begins[1].upper() in known):",
        "if binding.value is None:",
        (ENV_FILE,),
    ),
    Mutation(
        "what is no name is told where it is nearly a setting's",
        FILE,
        " or not NAME.fullmatch(name.strip()):",
        ":",
        (ENV_FILE,),
    ),
    Mutation(
        "a quote that is not closed takes the settings after it in",
        FILE,
        "    return any(found[1].upper() in known and found[2] for found in assigned if found)\n",
        "    return False\n",
        (ENV_FILE,),
    ),
    Mutation(
        "whatever a line that cannot be read begins with is told",
        FILE,
        ' if name in known else f"line {line}"\n',
        ' if name else f"line {line}"\n',
        (ENV_FILE,),
    ),
    Mutation(
        "variables are put into what is in single quotes",
        FILE,
        "    if quoted:\n",
        "    if False and quoted:\n",
        (ENV_FILE,),
    ),
    Mutation(
        "an address may have a host that cannot be",
        "app/cloudpress/addresses.py",
        '    if not is_host(httpx.URL(url).raw_host.decode("ascii")):\n',
        "    if False:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "the database may be at a host that cannot be",
        "app/config/values.py",
        "    if not all(is_host(host) for host in hosts_looked_up(found)):\n",
        "    if False:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "a webhook may lead to a host that cannot be",
        "app/webhooks/addresses.py",
        "        if not is_host(host):\n",
        "        if False:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "a command asks a host that cannot be",
        "app/cli/addresses.py",
        "    if not is_host(host):\n",
        "    if False:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "the doctor ends where it looks up a host that cannot be",
        "app/maintenance/doctor/asking.py",
        "    if not is_host(host):\n",
        "    if False:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "a service listens on whatever cannot be a host",
        "app/server/listening.py",
        "    except UnicodeError:\n",
        "    except ZeroDivisionError:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "a public address in other letters is asked as no header can hold it",
        "app/cloudpress/addresses.py",
        "    if not parts.netloc.isascii():\n",
        "    if False:\n",
        (HOST_NAMES,),
    ),
    Mutation(
        "a worker's port in use is told by an option that it has not",
        "app/cli/serve.py",
        ', setting="WORKER_PORT")\n',
        ")\n",
        (GOES_WRONG,),
    ),
)
