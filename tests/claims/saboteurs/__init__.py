"""For every claim at least one broken run on which it must fail: a module for each group of claims."""

from __future__ import annotations

from saboteurs import downstream, standing, temperature

SABOTEURS = standing.SABOTEURS | temperature.SABOTEURS | downstream.SABOTEURS
