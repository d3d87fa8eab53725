"""Await thousands of long-running jobs on remote platforms with one asyncio scheduler."""
