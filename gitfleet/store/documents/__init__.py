"""What people write and what gitfleet writes for them: parsing with positions, schemas, collected errors, writers.

``reading`` turns bytes into plain data that remembers where each value stood. ``validation`` holds it against the
schema that ``schemas`` generates from the structs in ``gitfleet.model``. ``plans`` resolves what people may write in a
plan into the plan that the program works on. Nothing here knows agents, waves or git; what a plan *means* is checked
in ``gitfleet.planner.lint``. ruamel and jsonschema are imported by the functions that need them.
"""
