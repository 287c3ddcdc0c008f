"""Rules of what a deployment sets, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import ENV_FILE

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
        "binding.value is None and not NAME.fullmatch(binding.key):\n        return True\n",
        "binding.value is None and not NAME.fullmatch(binding.key):\n        return False\n",
        (ENV_FILE,),
    ),
    Mutation(
        "a quote that is not closed takes the settings after it in",
        FILE,
        "    return any(found[1].upper() in known and found[2] for found in begins if found)\n",
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
)
