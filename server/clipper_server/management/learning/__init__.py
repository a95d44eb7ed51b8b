"""What is learned of feedback: from sums to each arm's probability, or its weight in a vote.

Pure: without clocks and files. A learner is a module, and `kinds` knows them all. Arms are model:version.
"""
