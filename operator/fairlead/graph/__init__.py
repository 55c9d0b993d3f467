"""The graph of a workflow's jobs, drawn: as text, as SVG, and in the languages of Mermaid and Graphviz.

forecast ─→ dag ─→ layout (layers, order, positions) ─┬─→ text
             │                                        └─→ svg
             └─→ languages
"""
