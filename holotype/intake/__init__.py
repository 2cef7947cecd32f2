"""The rules of adding a reference, shared by the ingest worker and the service.

`holotype.intake.incoming` is the one record that is passed along, `holotype.intake.words`
says what a label, a group and metadata may look like, `holotype.intake.steps` are the
steps (identify, ask, decode, embed, write, settle), and `holotype.intake.batch` runs them
one after the other on a few pictures. `ingest` runs the same steps in threads.
"""
