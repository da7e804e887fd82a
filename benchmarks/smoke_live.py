"""`make smoke-live`: one template over the real model endpoint. Costs a fraction of a cent."""

import sys

from dotenv import dotenv_values

from aistudio.settings import Settings
from benchmarks.product import checkout, serving

TEMPLATE = "sales-inquiry-pipeline"


def main() -> int:
    """The exit code: 0 when every node that ran completed."""
    env = {name: value for name, value in dotenv_values(".env").items() if value}
    settings = Settings.model_validate({name.lower(): value for name, value in env.items() if "KEY" in name})
    if settings.openrouter_api_key is None and settings.openai_api_key is None:
        print(
            "No key is set: put OPENROUTER_API_KEY or OPENAI_API_KEY into the environment or .env.",
            file=sys.stderr,
        )
        return 1
    with checkout() as root, serving(root, env) as (product, _):
        inquiry = "Hello, we are a school with 40 teachers. What would your product cost us?"
        execution = product.finish(product.execute(product.create(TEMPLATE), inquiry), timeout=300)
    for identifier, node in execution["nodes"].items():
        print(f"{node['status']:<10} {identifier}")
    print(f"{execution['status']}, {execution['usage']}, ${execution['cost_usd']}")
    return 0 if execution["status"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
