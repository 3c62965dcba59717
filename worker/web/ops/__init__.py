"""The pages of operators, under /ops: who may come in (`guard`), and what they see and do.

In English alone: they are not among the translated pages. `mount.mount(app, shop)` puts them on an app.
"""
