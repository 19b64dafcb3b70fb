"""The pure heart of alerting: documents to facts, facts to episodes, episodes to warnings, and their handling.

Start at `judge`. No I/O, no clock; semantics in `reference/judging.md`.
"""

from services.alerting.domain.checkpoint import Checkpoint as Checkpoint
from services.alerting.domain.checkpoint import Due as Due
from services.alerting.domain.checkpoint import Need as Need
from services.alerting.domain.checkpoint import needs as needs
from services.alerting.domain.checkpoint import reach as reach
from services.alerting.domain.churn import Churn as Churn
from services.alerting.domain.credit_limit import CreditLimit as CreditLimit
from services.alerting.domain.episode import TIERS as TIERS
from services.alerting.domain.episode import Episode as Episode
from services.alerting.domain.episode import Proof as Proof
from services.alerting.domain.episode import Span as Span
from services.alerting.domain.explode import explode as explode
from services.alerting.domain.explode import mark_seen as mark_seen
from services.alerting.domain.explode import named_invoices as named_invoices
from services.alerting.domain.facts import Fact as Fact
from services.alerting.domain.facts import RuleVersion as RuleVersion
from services.alerting.domain.fold import Evaluation as Evaluation
from services.alerting.domain.fold import evaluate as evaluate
from services.alerting.domain.handling import Acknowledge as Acknowledge
from services.alerting.domain.handling import Close as Close
from services.alerting.domain.handling import Command as Command
from services.alerting.domain.handling import Counter as Counter
from services.alerting.domain.handling import Expire as Expire
from services.alerting.domain.handling import Investigate as Investigate
from services.alerting.domain.handling import expires_at as expires_at
from services.alerting.domain.handling import handle as handle
from services.alerting.domain.horizon import Judged as Judged
from services.alerting.domain.horizon import judged_through as judged_through
from services.alerting.domain.horizon import ratchet as ratchet
from services.alerting.domain.judging import RULES as RULES
from services.alerting.domain.judging import GroupInput as GroupInput
from services.alerting.domain.judging import GroupPlan as GroupPlan
from services.alerting.domain.judging import Plan as Plan
from services.alerting.domain.judging import judge as judge
from services.alerting.domain.matching import Judgement as Judgement
from services.alerting.domain.matching import Match as Match
from services.alerting.domain.matching import match as match
from services.alerting.domain.parameters import SHIPPED as SHIPPED
from services.alerting.domain.parameters import ChurnParameters as ChurnParameters
from services.alerting.domain.parameters import CreditLimitParameters as CreditLimitParameters
from services.alerting.domain.rule import Rule as Rule
from services.alerting.domain.sources import Source as Source
from services.alerting.domain.system import INSTALLATION as INSTALLATION
from services.alerting.domain.system import dead_letters as dead_letters
from services.alerting.domain.system import late_sources as late_sources
from services.alerting.domain.system import settle as settle
from services.alerting.domain.warning import Change as Change
from services.alerting.domain.warning import HeldWarning as HeldWarning
from services.alerting.domain.warning import document as document
