"""Everything the doctor looks at, in the order of the report."""

from aistudio.doctor.database import postgresql, schema
from aistudio.doctor.examination import Check
from aistudio.doctor.machine import home, node, ports, python, variables
from aistudio.doctor.model import model
from aistudio.doctor.redis import redis
from aistudio.doctor.temporal import namespace, server, worker

CHECKS = (
    Check("Python", python),
    Check("Variables", variables),
    Check("Node", node, ("Variables",)),
    Check("Ports", ports, ("Variables",)),
    Check("Home", home, ("Variables",)),
    Check("PostgreSQL", postgresql, ("Variables",), "Check the host in DATABASE_URL, and the network."),
    Check("Schema", schema, ("PostgreSQL",)),
    Check("Temporal", server, ("Variables",), "Check the host in TEMPORAL_ADDRESS, and the network."),
    Check("Namespace", namespace, ("Temporal",)),
    Check("Worker", worker, ("Namespace", "Schema")),
    Check("Redis", redis, ("Variables",), "Check the host in REDIS_URL, and the network."),
    Check("Model", model, ("Variables",), "Check the model endpoint's address, and the network."),
)
