"""Transfers: tables of the platform into files and databases."""
