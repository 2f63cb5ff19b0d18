package consent

import "time"

// CaseKind says what a case is about.
type CaseKind string

// The kinds of cases.
const (
	CaseErasure       CaseKind = "erasure"
	CaseAccess        CaseKind = "access"
	CaseRectification CaseKind = "rectification"
	CaseObjection     CaseKind = "objection"
	CaseComplaint     CaseKind = "complaint"
	CaseGuardian      CaseKind = "guardian"
	CaseReview        CaseKind = "review"
)

// CaseState is where a case stands. Waiting means that a confirmation link is
// with the person; confirmed, that the click came and the work is under way.
type CaseState string

// The states of a case.
const (
	CaseOpen      CaseState = "open"
	CaseWaiting   CaseState = "waiting"
	CaseConfirmed CaseState = "confirmed"
	CaseDone      CaseState = "done"
	CaseRefused   CaseState = "refused"
)

// Identity is what we know of who asks.
type Identity string

// The identities: the From address matches, or a click came from the address
// on file.
const (
	IdentityUnknown   Identity = "unknown"
	IdentityClaimed   Identity = "claimed"
	IdentityConfirmed Identity = "confirmed"
)

// Due is the day by which a request is answered: one month after it came
// (GDPR Art. 12(3)), the last day of a shorter month where the date does not
// exist (Regulation 1182/71 Art. 3(2)(c)).
func Due(received time.Time) time.Time {
	y, m, d := received.Date()
	hour, minute, second := received.Clock()
	next := time.Date(y, m+1, 1, hour, minute, second, 0, received.Location())
	last := next.AddDate(0, 1, -1).Day()
	return next.AddDate(0, 0, min(d, last)-1)
}
