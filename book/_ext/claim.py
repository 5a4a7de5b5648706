"""A numbered box for a claim of the ledger, ``{prf:claim} id``, referred to by ``{prf:ref}`claim-id```.

A theorem is derived; a claim is measured as well, so claims keep a counter of their own. The sentence in the box is the
registry's: what the page says is what the run checks.
"""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx_proof.directive import DEFAULT_REALTYP_TO_COUNTERTYP, ElementDirective
from sphinx_proof.domain import ProofDomain
from sphinx_proof.nodes import NODE_TYPES, depart_enumerable_node, visit_enumerable_node
from sphinx_proof.proof_type import PROOF_TYPES


class claim_node(nodes.Admonition, nodes.Element):
    """A claim in the document."""


class ClaimDirective(ElementDirective):
    """The directive ``prf:claim``; its argument is the id of a registered claim."""

    name = "claim"
    required_arguments, optional_arguments, has_content = 1, 0, False

    def run(self) -> list[nodes.Node]:
        """The box, filled from the registry."""
        from mmcl.claims import claim

        known = claim(self.arguments.pop(0).strip())
        self.options["label"] = f"claim-{known.id}"
        self.content = StringList([known.statement], source=self.get_source_info()[0])
        return super().run()


def setup(app: Sphinx) -> dict[str, bool]:
    """Teach sphinx-proof one more kind."""
    app.setup_extension("sphinx_proof")
    NODE_TYPES["claim"] = claim_node
    PROOF_TYPES["claim"] = ClaimDirective
    DEFAULT_REALTYP_TO_COUNTERTYP["claim"] = "claim"
    ProofDomain.directives["claim"] = ClaimDirective
    html = (visit_enumerable_node, depart_enumerable_node)
    app.add_enumerable_node(claim_node, "claim", None, html=html)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
