package consent

// Kind is what an incoming mail is, or asks for.
type Kind string

// The kinds, as `heed mail read` names them.
const (
	KindUnsubscribe   Kind = "unsubscribe"
	KindPreference    Kind = "preference"
	KindObjection     Kind = "objection"
	KindErasure       Kind = "erasure"
	KindAccess        Kind = "access"
	KindRectification Kind = "rectification"
	KindComplaint     Kind = "complaint"
	KindGuardian      Kind = "guardian"
	KindBounce        Kind = "bounce"
	KindSpamReport    Kind = "arf"
	KindAutoReply     Kind = "auto-reply"
	KindUnrelated     Kind = "unrelated"
	KindReview        Kind = "review" // a person must look
)

// Request is a mail understood. Nothing in it is acted on without the rules of
// the store: it only says what the mail says.
type Request struct {
	Kind     Kind
	Also     []Kind  // further things that the mail asks for
	Scope    Scope   // of an opt-out or a choice: what it stops; empty where it stops nothing by itself
	Scopes   []Scope // all that it stops, Scope first, where that is more than one
	Language string  // ISO 639-1, or empty
	Sure     float64 // 1 proven by a token or a mark, from 0.8 said clearly, below a guess, to 0.4 only plausible
	Evidence []Evidence

	From          string // normalised; empty where it is missing or not exactly one
	Link          *Link  // a sealed token of ours, wherever it stood
	Campaign      string // our Message-ID's campaign, from References or a returned part
	Authenticated bool   // the mail proves that the holder of From wrote it
	NoReply       string // why it must not be answered (RFC 3834 §2), a rule's name; empty: it may be
	Button        bool   // written by a mail program or provider for its user, or to a sealed address: no answer is expected

	Bounces []Bounce // of a bounce
}

// Stops gives all that the request stops.
func (r Request) Stops() []Scope {
	if len(r.Scopes) > 0 {
		return r.Scopes
	}
	if r.Scope != "" {
		return []Scope{r.Scope}
	}
	return nil
}

// Evidence is a rule that fired, and the words that made it.
type Evidence struct {
	Rule string `json:"rule"`
	Text string `json:"text,omitempty"`
}

// Bounce is one recipient's fate as told by a delivery status notification
// (RFC 3464 §2.3).
type Bounce struct {
	Recipient string
	Action    string // failed, delayed, delivered, relayed, expanded
	Status    string // 5.1.1
	Hard      bool   // the mailbox does not exist, now and later: see [Refusal.Hard]
	Policy    bool   // it is about us, not about the person: see [Refusal.Policy]
}
