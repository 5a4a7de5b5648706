"""For every claim at least one broken run on which it must fail: a module for each group of claims."""

from __future__ import annotations

from saboteurs import downstream, family, methods, neighbours, practice, standing, temperature

GROUPS = (standing, temperature, family, methods, neighbours, practice, downstream)
SABOTEURS = {id: broken for group in GROUPS for id, broken in group.SABOTEURS.items()}
