package consent

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

// CaseKinds lists the kinds of cases.
func CaseKinds() []CaseKind {
	return []CaseKind{CaseErasure, CaseAccess, CaseRectification, CaseObjection, CaseComplaint, CaseGuardian, CaseReview}
}
