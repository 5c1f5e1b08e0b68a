"""In: a workspace: settings, photos, people's answers. Out: a release, stage by stage.

`settings` is what the maker wrote, `workspace` where things lie, `rows` what goes from stage to
stage, `stage` when one is due, `stages/` what each does, `build` all of them in order.
"""
