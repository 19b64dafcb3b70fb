"""What can be done in the alerting service: judge customers, handle warnings, watch the sources. Others commit."""

from services.alerting.use_cases.handling import expire as expire
from services.alerting.use_cases.handling import handle_warning as handle_warning
from services.alerting.use_cases.judging import anyone_due as anyone_due
from services.alerting.use_cases.judging import judge_customers as judge_customers
from services.alerting.use_cases.judging import judge_due as judge_due
from services.alerting.use_cases.rebuilding import forget_folds as forget_folds
from services.alerting.use_cases.rebuilding import judge_everybody as judge_everybody
from services.alerting.use_cases.taking import HELD as HELD
from services.alerting.use_cases.taking import take_documents as take_documents
from services.alerting.use_cases.watching import watch_installation as watch_installation
