package inbox

import (
	"strings"

	"heed/consent"
)

// The roles of a mailbox: what people and machines use its address for.
const (
	RoleUnsubscribe = "unsubscribe"
	RolePrivacy     = "privacy"
	RoleBounces     = "bounces"
	RoleAbuse       = "abuse"
	RoleReply       = "reply"
)

// Ours says how our own mail is told from other people's. Every field may be
// empty.
type Ours struct {
	Addresses []string       // that we write from and read at, normalised
	Domain    string         // of our Message-IDs: <CAMPAIGN.KEY@Domain>
	Topics    map[string]int // the names of topics as people know them, and their numbers
	Trusted   string         // the mail server whose Authentication-Results count; empty: none
	TopicIDs  map[string]int // the ids of the same, which some people write
}

// Read says what a raw mail is, or asks for. It is pure: the same bytes give
// the same request, and nothing is done. The role is that of the mailbox: a
// short or empty mail at unsubscribe@ is a request, at privacy@ it is not.
//
// The order of the questions matters. What machines send comes first, since it
// quotes our newsletters and their footers; but a link of ours in the address
// or subject of the mail itself counts whatever else the mail says, because
// mail programs send it for their user with the marks of automatic mail
// (RFC 3834 §5). What nobody can read goes to a person.
func Read(raw []byte, role string, ring consent.Keyring, ours Ours) consent.Request {
	return understand(raw, false, role, ring, ours)
}

// understand is Read for a mail of which the poller may have fetched only the
// beginning.
func understand(raw []byte, cut bool, role string, ring consent.Keyring, ours Ours) (request consent.Request) {
	err := guarded(func() error {
		m := Parse(raw)
		m.Oversize = m.Oversize || cut
		request = newReading(m, role, ring, ours).request()
		return nil
	})
	if err != nil {
		request = verdict(consent.KindReview, 1, "unreadable", err.Error())
		request.NoReply = "unreadable"
	}
	return request
}

// reading is a mail while it is understood.
type reading struct {
	Mail
	role string
	ring consent.Keyring
	ours Ours

	said   []sentence // by the writer
	spoken tongue     // in what was said
	tongue string     // the language of it, where it is clear
	found  []finding  // in what was said
}

func newReading(m Mail, role string, ring consent.Keyring, ours Ours) reading {
	r := reading{Mail: m, role: role, ring: ring, ours: ours}
	r.said = r.sentences()
	r.spoken = spoken(r.said)
	r.tongue = r.spoken.best()
	r.found = r.findings()
	return r
}

func (r reading) request() consent.Request {
	questions := []func() (consent.Request, bool){
		r.bounce, r.report, r.sealed, r.button, r.unreadable, r.looped, r.automatic, r.own, r.list, r.asked, r.abuse,
	}
	for _, ask := range questions {
		if request, known := ask(); known {
			return r.identify(request)
		}
	}
	return r.identify(r.unclear())
}

// verdict makes a request of one rule.
func verdict(kind consent.Kind, sure float64, rule, text string) consent.Request {
	return consent.Request{Kind: kind, Sure: sure, Evidence: []consent.Evidence{{Rule: rule, Text: excerpt(text)}}}
}

// excerpt keeps evidence short; it is for people to check a verdict by.
func excerpt(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 120 {
		return string(runes[:120]) + "…"
	}
	return text
}

// identify adds who it is: a sealed link wherever it stands, our Message-ID,
// and the From address.
func (r reading) identify(request consent.Request) consent.Request {
	request.From = r.From()
	if request.Language == "" || r.spoken[r.tongue] >= 3 {
		request.Language = r.tongue
	}
	if request.Link == nil {
		request.Link = r.quotedLink()
	}
	if message, found := r.answered(); found {
		request.Campaign = message.campaign
		if request.Link == nil && message.keyed && request.Kind != consent.KindBounce {
			request.Link = who(consent.Link{Address: message.key})
		}
	}
	if r.Oversize {
		request.Evidence = append(request.Evidence, consent.Evidence{Rule: "oversize"})
	}
	request.NoReply, request.Button = r.noReply(request), isButton(request)
	return request
}

// unreadable sends to a person what could not be parsed.
func (r reading) unreadable() (consent.Request, bool) {
	if r.Broken == "" {
		return consent.Request{}, false
	}
	return verdict(consent.KindReview, 1, "unreadable", r.Broken), true
}

// own knows mail that we wrote ourselves: a copy, or a loop.
func (r reading) own() (consent.Request, bool) {
	from := r.From()
	for _, address := range r.ours.Addresses {
		if from != "" && from == address {
			return verdict(consent.KindUnrelated, 1, "own-mail", ""), true
		}
	}
	return consent.Request{}, false
}

// list knows mail that was sent to many: other people's newsletters, and what
// mailing lists carry. A list may have rewritten From, so that even a clear
// request in it says nothing about whose it is: a person looks.
func (r reading) list() (consent.Request, bool) {
	mark := ""
	for _, name := range []string{"List-Unsubscribe", "List-Id", "List-Post", "Feedback-Id"} {
		if r.Header.Get(name) != "" {
			mark = name
		}
	}
	if mark == "" {
		return consent.Request{}, false
	}
	if request, asked := r.asked(); asked && len(strings.Fields(r.Text)) < 40 && request.Kind != consent.KindReview {
		return verdict(consent.KindReview, 0.5, "asked-through-list", r.Subject+" "+r.Text), true
	}
	return verdict(consent.KindUnrelated, 0.9, "list-mail", mark), true
}
