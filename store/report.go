package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"heed/consent"
)

// Held is everything that is held about one person, as they get it (GDPR
// Art. 15). A test holds it against the schema: a new table that can hold a
// person has to appear here.
type Held struct {
	MadeAt     time.Time        `json:"made_at"`
	Reference  string           `json:"reference"` // of the case
	Person     *ReportPerson    `json:"person"`    // null where nobody is stored under the address, and only a key of it is known
	AddressKey []string         `json:"address_keys"`
	State      ExplainState     `json:"state"`
	Choices    []ReportChoice   `json:"choices"`
	Policies   []ReportPolicy   `json:"policies"`
	Sources    []ReportSource   `json:"sources"`
	Messages   []ReportMessage  `json:"messages"`
	Mails      []ReportMail     `json:"mails"`
	Letters    []ReportLetter   `json:"letters"`
	Cases      []ReportCase     `json:"cases"`
	Addresses  []ReportMove     `json:"changes_of_address"`
	Copies     []ReportCopyLink `json:"links_to_copies"`
	Given      []ReportGiven    `json:"given_to_others"`
	Notices    map[string]any   `json:"words_of_open_notices"` // by the number of a notice in given_to_others
	SignUps    []ReportSignUp   `json:"sign_ups"`
	Accounts   []ReportAccount  `json:"registrations"`
	Welcomed   []ReportWelcome  `json:"welcomed"`
}

// ReportPerson is the profile.
type ReportPerson struct {
	Email       string            `json:"email"`
	FirstName   string            `json:"first_name"`
	LastName    string            `json:"last_name"`
	Company     string            `json:"company"`
	Language    string            `json:"language"`
	TimeZone    string            `json:"time_zone"`
	Attributes  map[string]string `json:"attributes"`
	ExternalIDs []string          `json:"external_ids"`
	Services    []string          `json:"services"`
	Number      int64             `json:"number"`
	Subject     string            `json:"random_id"` // under which the ledger knows the person
	Stored      time.Time         `json:"stored"`
	Updated     time.Time         `json:"updated"`
}

// ReportChoice is a row of the ledger, its evidence opened.
type ReportChoice struct {
	Number        int64      `json:"number"`
	Scope         string     `json:"scope"`
	Choice        string     `json:"choice"`
	Received      time.Time  `json:"received"`
	Recorded      time.Time  `json:"recorded"`
	Via           string     `json:"via"`
	Source        string     `json:"source"`
	Policy        string     `json:"policy"`
	PolicyHash    string     `json:"policy_sha256"`
	Authenticated bool       `json:"authenticated"`
	Evidence      any        `json:"evidence"`
	Acknowledged  *time.Time `json:"acknowledged,omitempty"` // where messages were in flight at that moment
	InFlight      *int64     `json:"in_flight,omitempty"`
	UndoUntil     *time.Time `json:"undo_until,omitempty"` // of an opt-out by mail that its letter lets the person take back
	TakenBack     *time.Time `json:"taken_back,omitempty"`
	Batch         *int64     `json:"batch,omitempty"`        // of a flood of such mails
	Forged        *time.Time `json:"found_forged,omitempty"` // when staff found that it was forged
}

// ReportPolicy is a text that was in force at one of the choices.
type ReportPolicy struct {
	ID   string `json:"id"`
	Hash string `json:"sha256"`
}

// ReportSource tells where data or a consent came from, and in which words.
type ReportSource struct {
	At      time.Time `json:"at"`
	Scope   string    `json:"scope"`
	Via     string    `json:"via"`
	Source  string    `json:"source"`
	Wording string    `json:"wording"`
	Import  string    `json:"import"`
}

// ReportMessage is what became of one message of a campaign.
type ReportMessage struct {
	Campaign string     `json:"campaign"`
	Name     string     `json:"name"`
	Class    string     `json:"class"`
	Outcome  string     `json:"outcome"`
	Reason   string     `json:"reason"`
	Code     int        `json:"code"`
	Status   string     `json:"status"`
	Attempts int        `json:"attempts"`
	Claimed  *time.Time `json:"claimed,omitempty"`
	Handed   *time.Time `json:"handed_over,omitempty"`
	Returned *time.Time `json:"returned,omitempty"`
	Due      *time.Time `json:"tried_again,omitempty"`
	Changed  time.Time  `json:"changed"`
}

// ReportMail is a mail that the person sent us.
type ReportMail struct {
	Received time.Time `json:"received"`
	Recorded time.Time `json:"recorded"`
	Mailbox  string    `json:"mailbox"`
	Kind     string    `json:"kind"`
	Outcome  string    `json:"outcome"`
	Folder   string    `json:"folder"`
	Rules    any       `json:"rules"`
	Case     string    `json:"case,omitempty"`
	Digest   string    `json:"sha256"`
	Text     any       `json:"text"`
}

// ReportLetter is a mail of ours to the person.
type ReportLetter struct {
	Kind    string     `json:"kind"`
	State   string     `json:"state"`
	Case    string     `json:"case,omitempty"`
	Created time.Time  `json:"created"`
	Ended   *time.Time `json:"ended,omitempty"`
	Words   any        `json:"words"`
}

// ReportCase is a request and what happened to it.
type ReportCase struct {
	Reference string        `json:"reference"`
	Kind      string        `json:"kind"`
	State     string        `json:"state"`
	Identity  string        `json:"identity"`
	Email     string        `json:"email"`
	Mailbox   string        `json:"mailbox"`
	Language  string        `json:"language"`
	Via       string        `json:"via"`
	Received  time.Time     `json:"received"`
	Opened    time.Time     `json:"opened"`
	Due       time.Time     `json:"due"`
	Ended     *time.Time    `json:"ended,omitempty"`
	Outcome   string        `json:"outcome"`
	Events    []ReportEvent `json:"events"`
	Erasure   []ReportItem  `json:"erasure,omitempty"` // of a deletion that is under way or done
}

// ReportItem is one place from which a deletion takes a person away.
type ReportItem struct {
	Item    string    `json:"item"`
	State   string    `json:"state"`
	Note    string    `json:"note"`
	Changed time.Time `json:"changed"`
}

// ReportEvent is one thing that happened to a case. Staff are not named: they
// are no recipients of the data.
type ReportEvent struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	By     string    `json:"by"` // staff, or heed and the person
	Detail any       `json:"detail"`
}

// ReportMove is a change of address.
type ReportMove struct {
	State   string     `json:"state"`
	Created time.Time  `json:"created"`
	Old     *time.Time `json:"old_mailbox_confirmed,omitempty"`
	New     *time.Time `json:"new_mailbox_confirmed,omitempty"`
	Detail  any        `json:"detail"`
}

// ReportCopyLink is a link to a copy such as this.
type ReportCopyLink struct {
	Case    string     `json:"case"`
	Created time.Time  `json:"created"`
	Until   time.Time  `json:"until"`
	Closed  *time.Time `json:"closed,omitempty"`
}

// ReportSignUp is a form that was sent in for this address.
type ReportSignUp struct {
	State   string     `json:"state"`
	Created time.Time  `json:"created"`
	Until   time.Time  `json:"until"`
	Ended   *time.Time `json:"ended,omitempty"`
	Detail  any        `json:"detail"`
}

// ReportAccount is an account whose registration was confirmed to this address.
type ReportAccount struct {
	At time.Time `json:"at"`
}

// ReportWelcome is a topic to which this address was welcomed.
type ReportWelcome struct {
	Topic string    `json:"topic"`
	At    time.Time `json:"at"`
}

// Held gathers everything that is held under an address key, in one snapshot,
// for the case that asked for it. Who is stored under the key's other address,
// if somebody else is, is left out.
func (s *Store) Held(ctx context.Context, key consent.Key, caseNo int64) (Held, error) {
	var r Held
	err := s.inSnapshot(ctx, func(t *tx) error {
		g, err := t.gather(ctx, key)
		if err != nil {
			return err
		}
		r, err = g.report(ctx)
		r.Reference = caseReference(caseNo)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("gathering what is held about a person: %w", err)
	}
	return r, nil
}

func caseReference(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("H-%d", id)
}

// gathering is one report on its way: whose rows are read, and under which
// names they are sealed.
type gathering struct {
	*tx
	key     consent.Key
	person  Person
	stored  bool
	keys    []any
	holders []any
	scopes  map[consent.Scope]string
	topics  []Named
}

func (t *tx) gather(ctx context.Context, key consent.Key) (*gathering, error) {
	g := &gathering{tx: t, key: key, scopes: map[consent.Scope]string{}}
	var err error
	if g.topics, err = t.s.Topics(ctx); err != nil {
		return nil, err
	}
	for _, one := range g.topics {
		g.scopes[consent.TopicScope(one.Number)] = "topic:" + one.ID
	}
	own, err := t.linked(ctx, key)
	if err != nil {
		return nil, err
	}
	g.keys = keyArgs(own)
	g.holders = append(g.holders, g.keys...)
	if g.person, g.stored, err = t.personByKey(ctx, key); err == nil && g.stored {
		g.holders = append(g.holders, g.person.Subject)
	}
	return g, err
}

// in writes a list of placeholders for the keys, or any other list.
func in(values []any) string { return list(len(values), 1) }

// open reads what was sealed, as whatever JSON it is; nil where it is gone.
func (g *gathering) open(ctx context.Context, holder, sealed string) (any, error) {
	var value any
	_, err := g.s.unseal(ctx, holder, sealed, &value)
	return value, err
}

func (g *gathering) report(ctx context.Context) (Held, error) {
	r := Held{MadeAt: g.now.Truncate(time.Second)}
	for _, k := range g.keys {
		r.AddressKey = append(r.AddressKey, k.(string))
	}
	for _, read := range []func(context.Context, *Held) error{g.profile, g.choices, g.messages, g.mails, g.letters, g.cases, g.moves, g.copies, g.given, g.signUps, g.registrations, g.welcomes} {
		if err := read(ctx, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// instant gives a stored time, or nil.
func instant(micro *int64) *time.Time {
	if micro == nil || *micro == 0 {
		return nil
	}
	at := time.UnixMicro(*micro).UTC()
	return &at
}

// words reads a JSON text of ours, or gives the text itself.
func words(text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}
