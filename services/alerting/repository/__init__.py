"""Rows of the alerting service to what its use cases work with, and back; all of it set-based."""

from services.alerting.repository.documents import documents as documents
from services.alerting.repository.horizons import KINDS as KINDS
from services.alerting.repository.horizons import horizon_of as horizon_of
from services.alerting.repository.horizons import sources as sources
from services.alerting.repository.lists import JudgedDay as JudgedDay
from services.alerting.repository.lists import Transition as Transition
from services.alerting.repository.lists import judged as judged
from services.alerting.repository.lists import page as page
from services.alerting.repository.lists import transitions as transitions
