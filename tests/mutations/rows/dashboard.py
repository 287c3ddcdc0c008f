"""Rules of the pages, and of what they show that the API shows too, broken."""

from tests.mutations.mutation import Mutation
from tests.mutations.proofs import CURL_LINES, DASHBOARD, PROGRESS_PAGE, SUSPECTING, UNTOLD

SUSPECTS = "app/orders/suspects.py"

MUTATIONS = (
    Mutation(
        "dashboard: a page from elsewhere may press its buttons",
        "app/dashboard/page.py",
        "                    require_same_origin(request, desk.context.settings.public_url)\n",
        "                    pass\n",
        (DASHBOARD,),
    ),
    Mutation(
        "dashboard: a page that shows a secret is compressed",
        "app/dashboard/desk.py",
        "if not is_secret and len(body)",
        "if len(body)",
        (DASHBOARD,),
    ),
    Mutation(
        "dashboard: a key's rights are not asked for erasing",
        "app/dashboard/routes/order.py",
        "async def erase(order_id: UUID, grant: OrdersEraser,",
        "async def erase(order_id: UUID, grant: OrdersReader,",
        (DASHBOARD,),
    ),
    Mutation(
        "dashboard: who did what is looked for by numbers that nothing has",
        "app/dashboard/routes/happenings.py",
        "    begins = await begin_of_window(session, up_to, WINDOW)\n",
        "    begins = max(0, up_to - WINDOW)\n",
        (DASHBOARD,),
    ),
    Mutation(
        "dashboard: what happens is looked for by numbers that nothing has",
        "app/dashboard/routes/happenings.py",
        "        begins = await begin_of_window(session, newest, LOOKED_AT)\n",
        "        begins = max(0, newest - LOOKED_AT)\n",
        (DASHBOARD,),
    ),
    Mutation(
        "dashboard: what is foreign in a line for a shell is not quoted",
        "app/dashboard/curl.py",
        "quote(json.dumps(body, ensure_ascii=True))",
        "f\"'{json.dumps(body, ensure_ascii=True)}'\"",
        (CURL_LINES,),
    ),
    Mutation(
        "dashboard: a user that CloudPress has not told is shown",
        "app/dashboard/templates/order.html",
        "{% if ssh.username %}{{ ssh.username }}@{% endif %}",
        "{{ ssh.username }}@",
        (UNTOLD,),
    ),
    Mutation(
        "a password that CloudPress has not told is shown",
        "app/cli/tables.py",
        'UNTOLD if ssh["password"] is None else ssh["password"]',
        'ssh["password"]',
        (UNTOLD,),
    ),
    Mutation(
        "progress page: any address is good",
        "app/secrets.py",
        "        return UUID(bytes=named) if is_ours else None\n",
        "        return UUID(bytes=named)\n",
        (PROGRESS_PAGE,),
    ),
    Mutation(
        "suspects: what a restored database has lost is a candidate",
        SUSPECTS,
        "            found |= dict.fromkeys(order_ids, why)\n",
        "            found = {**dict.fromkeys(order_ids, why), **found}\n",
        (SUSPECTING,),
    ),
    Mutation(
        "suspects: whose one is by now is not told",
        SUSPECTS,
        "_moment(listed.get(order_id)), held.get(order_id))",
        "_moment(listed.get(order_id)), None)",
        (SUSPECTING,),
    ),
    Mutation(
        "suspects: another account's order is told",
        "app/accounts/told.py",
        "return details if details.account_id in {None, account_id} else None",
        "return details",
        (SUSPECTING,),
    ),
)
