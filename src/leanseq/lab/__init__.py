"""Answers for a lab: is my data enough, and what would more of it buy?"""
