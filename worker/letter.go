package worker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"heed/consent"
	"heed/mailer"
	"heed/store"
	"heed/templates"
)

// content is a campaign compiled once and spliced for everybody.
type content struct {
	store.Campaign
	words    *templates.Content
	template *mailer.Template
	topic    store.Named
	from     mailer.Address
	version  store.Version   // of the policy, that it tells of or asks about
	said     string          // end of a link that a reader follows: in which language its text is, where the campaign says
	headers  []mailer.Header // that all its messages share
}

// contents keeps the compiled campaigns of this worker. A campaign's text never
// changes once it sends.
type contents struct {
	mu  sync.Mutex
	all map[int64]*compiled
}

// compiled is a content that is there once done is closed.
type compiled struct {
	done chan struct{}
	c    *content
	err  error
}

// content compiles a campaign, or gives what was compiled before. Lanes that ask
// for the same one wait for the first of them, those of other campaigns do not.
func (w *Worker) content(ctx context.Context, id int64) (*content, error) {
	one, mine := w.contents.find(id)
	if mine {
		w.fill(ctx, one, id)
	}
	select {
	case <-one.done:
		return one.c, one.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fill compiles. Whoever waits is told, also where a panic cut it short.
func (w *Worker) fill(ctx context.Context, one *compiled, id int64) {
	one.err = errors.New("compiling a campaign was cut short")
	defer func() {
		if one.err != nil {
			w.contents.drop(id)
		}
		close(one.done)
	}()
	one.c, one.err = w.compile(ctx, id)
}

// find gives the place of a campaign; mine tells whoever has to fill it.
func (all *contents) find(id int64) (one *compiled, mine bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if one = all.all[id]; one != nil {
		return one, false
	}
	if all.all == nil || len(all.all) > 50 {
		all.all = map[int64]*compiled{}
	}
	one = &compiled{done: make(chan struct{})}
	all.all[id] = one
	return one, true
}

func (all *contents) drop(id int64) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.all, id)
}

// errContent means that a campaign can never be sent as it is.
type errContent struct{ error }

func (w *Worker) compile(ctx context.Context, id int64) (*content, error) {
	stored, err := w.Store.Campaign(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &content{Campaign: stored}
	parsed, err := templates.ParseAs(stored.Class, []byte(stored.Source))
	if err != nil {
		return nil, errContent{err}
	}
	layout := templates.LayoutData{Sender: w.Sender.Name, PostalAddress: w.Sender.PostalAddress, PrivacyContact: w.Sender.Privacy, Language: w.Sender.Language}
	if c.topic, layout.ServiceName, err = w.names(ctx, stored); err != nil {
		return nil, err
	}
	if stored.Class == consent.Newsletter || stored.Class == consent.PartnerOffer {
		layout.Web = w.PublicURL + "/w/" + w.Store.WebLink(stored)
	}
	if c.Policy != "" {
		if c.version, err = w.Store.Version(ctx, c.Policy); err != nil {
			return nil, err
		}
	}
	if c.words, err = templates.Compile(parsed, layout); err != nil {
		return nil, errContent{err}
	}
	if templates.Speaks(c.words.Language) {
		c.said = "?" + templates.SaidField + "=" + c.words.Language
	}
	if c.from, err = sender(parsed.From, w.Sender); err != nil {
		return nil, errContent{err}
	}
	oneClick := true
	if w.Sender.RelaySigns {
		if oneClick, err = w.Store.SignatureSeen(ctx); err != nil {
			return nil, err
		}
	}
	c.headers = w.ownHeaders(c, oneClick)
	c.template, err = mailer.Compile(parts(c.words))
	return c, err
}

func (w *Worker) names(ctx context.Context, c store.Campaign) (topic store.Named, service string, err error) {
	topics, err := w.Store.Topics(ctx)
	if err != nil {
		return topic, "", err
	}
	for _, one := range topics {
		if one.Number == c.Topic {
			topic = one
		}
	}
	services, err := w.Store.Services(ctx)
	for _, one := range services {
		if one.Number == c.Service {
			service = one.Name
		}
	}
	return topic, service, err
}

// parts hands the words to the mailer. What cannot be spliced is one field as
// long as the part.
func parts(c *templates.Content) []mailer.Part {
	if c.Dynamic() {
		whole := []mailer.Segment{{Field: 0}}
		return []mailer.Part{{Type: "text/plain", Segments: whole}, {Type: "text/html", Segments: whole}}
	}
	return []mailer.Part{{Type: "text/plain", Segments: segments(c.Text)}, {Type: "text/html", Segments: segments(c.HTML)}}
}

func segments(in []templates.Segment) []mailer.Segment {
	out := make([]mailer.Segment, len(in))
	for i, s := range in {
		out[i] = mailer.Segment{Text: s.Text, Field: s.Field}
	}
	return out
}

// message renders the whole message in memory, signed; nothing is said to the
// relay before it is whole. The text that all its neighbours share is not copied.
func (w *Worker) message(room *room, c *content, letter store.Letter, lists store.Lists) (mailer.Message, error) {
	traits := lists.Traits(letter.Person)
	p := templates.Person{Email: traits.Email, FirstName: traits.FirstName, LastName: traits.LastName, Company: traits.Company,
		Language: traits.Language, TimeZone: traits.TimeZone, Attr: traits.Attrs, Services: traits.Services, Topics: traits.Topics}
	links := w.links(c, letter)
	values, err := fields(c.words, p, links.Links)
	if err != nil {
		return mailer.Message{}, err
	}
	subject, err := c.words.Subject(p)
	if err != nil {
		return mailer.Message{}, err
	}
	h := mailer.Headers{From: c.from, To: mailer.Address{Addr: letter.Email}, Subject: subject, Date: w.Now(),
		MessageID: w.messageID(letter.Ask), Extra: w.marked(letter.Ask, w.listHeaders(c, links))}
	if room.made, err = c.template.Splice(room.made, h, values); err != nil || w.Signer == nil {
		return room.made, err
	}
	signed, err := w.Signer.SignMessage(room.signed[:0], room.made)
	room.signed = signed.Text
	return signed, err
}

func fields(c *templates.Content, p templates.Person, l templates.Links) ([][]string, error) {
	if c.Dynamic() {
		text, html, err := c.Full(p, l)
		return [][]string{{text}, {html}}, err
	}
	text, html, err := c.Values(p, l)
	return [][]string{text, html}, err
}

// letterLinks are the sealed links of one message.
type letterLinks struct {
	templates.Links
	mailto   string // address that stops the mail when written to
	oneClick string // what a mail program posts to (RFC 8058)
}

func (w *Worker) links(c *content, letter store.Letter) letterLinks {
	ring := w.Store.Keys().Links
	mark := letter.State.Consent(c.Message())
	stop := ring.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: letter.Address, Scope: uint16(c.Topic)})
	choices := ring.Seal(consent.Link{Purpose: consent.PurposeChoices, Address: letter.Address, Scope: uint16(c.Topic)})
	l := letterLinks{oneClick: w.PublicURL + "/u/" + stop, Links: templates.Links{
		Unsubscribe: w.PublicURL + "/u/" + stop + c.said, Preferences: w.PublicURL + "/p/" + choices + c.said,
		Reason: templates.Reason{Topic: c.topic.Name, Source: mark.Source}}}
	if mark.At != 0 {
		l.Reason.At = mark.Time()
	}
	switch c.Class {
	case consent.PolicyNotice:
		l.Policy = w.PublicURL + "/v/" + url.PathEscape(c.Policy) + c.said
	case consent.ConsentRequest:
		l.Policy = w.PublicURL + "/a/" + w.Store.AgreeToken(letter.Address, c.version) + c.said
	}
	if c.Service != 0 {
		l.Unused = w.PublicURL + "/n/" + ring.Seal(consent.Link{Purpose: consent.PurposeUnused, Address: letter.Address, Scope: uint16(c.Service)}) + c.said
	}
	if w.Sender.Unsubscribe != "" {
		l.mailto = plus(w.Sender.Unsubscribe, stop)
	}
	return l
}

// plus puts a token into an address: name+TOKEN@domain (RFC 5233).
func plus(address, token string) string {
	name, domain, _ := strings.Cut(address, "@")
	return name + "+" + token + "@" + domain
}

// listHeaders are those of a newsletter: where to stop it (RFC 2369, RFC
// 8058), and which list it is (RFC 2919). A service alert has none of them: it
// would promise what it does not do.
func (w *Worker) listHeaders(c *content, l letterLinks) []mailer.Header {
	if !c.Class.Marketing() {
		return []mailer.Header{{Name: "Auto-Submitted", Value: "auto-generated"}} // RFC 3834 §5
	}
	unsubscribe := "<" + l.oneClick + ">"
	if l.mailto != "" {
		unsubscribe += ", <mailto:" + l.mailto + "?subject=unsubscribe>"
	}
	return append([]mailer.Header{{Name: "List-Unsubscribe", Value: unsubscribe}, {Name: "List-Help", Value: "<" + l.Preferences + ">"}}, c.headers...)
}

// ownHeaders are those that all messages of a newsletter share. One-click is offered
// only where a signature covers it (RFC 8058 §4).
func (w *Worker) ownHeaders(c *content, oneClick bool) []mailer.Header {
	list, name := "offers", "Partner offers"
	switch {
	case c.topic.ID != "":
		list, name = c.topic.ID, c.topic.Name
	case c.Class == consent.ConsentRequest:
		list, name = "policy", "Privacy policy"
	}
	all := []mailer.Header{{Name: "List-Id", Value: mailer.Phrase(name) + " <" + list + "." + w.Sender.Domain + ">"}}
	if oneClick {
		all = append(all, mailer.Header{Name: "List-Unsubscribe-Post", Value: "List-Unsubscribe=One-Click"})
	}
	all = append(all, mailer.Header{Name: "List-Post", Value: "NO"},
		mailer.Header{Name: "Feedback-ID", Value: fmt.Sprintf("%d:%s:%s:%s", c.ID, list, c.Class, strings.ReplaceAll(w.Sender.Domain, ":", ""))})
	if w.Sender.Complaints != "" {
		all = append(all, mailer.Header{Name: "CFBL-Address", Value: w.Sender.Complaints + "; report=arf"}) // RFC 9477 §3.1
	}
	return all
}

// marked adds what a provider gives back with its events: Postmark replaces our
// Message-ID by its own (postmarkapp.com/support/article/1125-custom-metadata-faq).
func (w *Worker) marked(a store.Ask, headers []mailer.Header) []mailer.Header {
	if !w.Postmark {
		return headers
	}
	return append(headers, mailer.Header{Name: "X-PM-Metadata-heed", Value: fmt.Sprintf("%d.%s", a.Campaign, a.Address)})
}

// messageID is the same for every attempt at one delivery (RFC 5322 §3.6.4).
func (w *Worker) messageID(a store.Ask) string { return MessageID(a, w.Sender.Domain) }

// MessageID names the message of one delivery, without angle brackets.
func MessageID(a store.Ask, domain string) string {
	return strconv.FormatInt(a.Campaign, 10) + "." + a.Address.String() + "@" + domain
}

// envelope carries the return path that tells whose message came back.
func (w *Worker) envelope(letter store.Letter) mailer.Envelope {
	e := mailer.Envelope{From: w.Sender.From, To: letter.Email}
	if w.Sender.ReturnPath != "" {
		token := w.Store.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeBounce, Address: letter.Address, Scope: uint16(letter.Campaign)})
		e.From = plus(w.Sender.ReturnPath, token)
	}
	return e
}

// since is how long a campaign has been at it.
func (c *content) since(now time.Time) time.Duration { return now.Sub(c.Started) }
