"""Alerts: their life cycle, their record, and how people are told until one has answered."""
