package consent

import "time"

// Class is the kind of a message; it decides which of a person's choices
// count for it.
type Class string

// The classes. A newsletter has exactly one topic; a partner offer needs an
// opt-in of its own; a service alert goes to holders of a service whatever
// they opted out of; correspondence answers what a person asked.
const (
	Newsletter     Class = "newsletter"
	PartnerOffer   Class = "partner_offer"
	Registration   Class = "registration"
	Alert          Class = "alert"
	Legal          Class = "legal"
	Correspondence Class = "correspondence"

	PolicyNotice   Class = "policy_notice"   // tells everybody of a new version of the policy
	ConsentRequest Class = "consent_request" // asks whether somebody agrees to it
)

// Marketing tells whether opting out stops this class. Asking for a yes is
// advertising too.
func (c Class) Marketing() bool { return c == Newsletter || c == PartnerOffer || c == ConsentRequest }

// Message is what Decide needs to know of a message.
type Message struct {
	Class   Class
	Topic   int // of a newsletter, the number that the store gave the topic; 0 none
	Service int // of an alert
	// Approved is that a second person let an alert out to those who had as many
	// as Policy allows.
	Approved bool

	Purpose string // what it uses data for; empty: nothing that a version has to name
	Version string // of the policy, that a notice tells of or a request asks about
}

// Person is what Decide needs to know of the one who would get it.
type Person struct {
	At       time.Time // the moment that is asked about; zero: before every pause ends
	State    State
	Holds    bool // the service that the alert names
	Received int  // alerts in the window of Policy.AlertWindow, or messages about the same version; this one not counted
}

// Policy holds the limits that the operator sets.
type Policy struct {
	AlertCap int // alerts per person in 30 days; 0 means no cap

	Covers func(version, purpose string) bool // whether a version of the policy names a purpose; nil: none does
}

// Reason says why a message is not sent. The set is closed: results, metrics
// and the account of a campaign are made of it.
type Reason string

// The reasons. Expired, Cancelled and Unrenderable are not decided here but by
// the campaign and its content; they stand in the same account.
const (
	OptedOut     Reason = "opted_out"
	NoConsent    Reason = "no_consent"
	Suppressed   Reason = "suppressed"
	DeadAddress  Reason = "dead_address"
	OnHold       Reason = "on_hold"
	Restricted   Reason = "restricted"
	Erased       Reason = "erased"
	Capped       Reason = "capped"
	PolicyReason Reason = "policy"
	Unrenderable Reason = "unrenderable"
	Expired      Reason = "expired"
	Cancelled    Reason = "cancelled"
)

// Reasons lists the closed set in the order in which it is shown.
func Reasons() []Reason {
	return []Reason{OptedOut, NoConsent, Suppressed, DeadAddress, OnHold, Restricted,
		Erased, Capped, PolicyReason, Unrenderable, Expired, Cancelled}
}
