package templates

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"heed/consent"
)

const (
	maxBody        = 512 << 10
	maxFrontMatter = 16 << 10
	maxSubject     = 250 // runes beside merge fields; longer ones are cut by every mail program
)

// Campaign is what a campaign or alert file says. Times are zero where the file gives none.
type Campaign struct {
	Name      string // for staff; the subject where the file gives none
	Subject   string // one line, may hold merge fields
	Preheader string // the line that mail programs show beside the subject; may hold merge fields
	Topic     string // topic id; required for newsletters
	Service   string // service id; alerts only
	Class     consent.Class
	Notice    string    // of a notice, its kind: legal or sale
	Purpose   string    // what it uses data for, a name that versions of the policy list; may be empty
	Policy    string    // version of the policy that it tells of or asks about
	Audience  string    // "all" or an expression for consent.ParseAudience
	From      string    // an address, with or without a name; empty means the configured sender
	Schedule  time.Time // when to start; zero means by hand
	StartBy   time.Time // after this moment the campaign is missed rather than sent late
	TimeZone  string    // IANA name, "UTC" where the file gives none
	Rate      float64   // messages a second; 0 means no limit of its own
	Language  string    // BCP 47 tag of the text; empty means that of the layout
	Body      string    // Markdown
	BodyLine  int       // line of the file on which Body begins, for messages
}

// ParseCampaign reads a campaign file: YAML front matter between two lines of three dashes, then Markdown.
// Its errors name the line and what to write instead; all that it finds wrong is joined into one error.
func ParseCampaign(src []byte) (Campaign, error) {
	return parseFile(src, campaignKeys(), func(c *Campaign) {
		if c.Class == "" {
			c.Class = consent.Newsletter
		}
		if c.Audience == "" {
			c.Audience = "all"
		}
	})
}

// ParseAlert reads an alert file: the same format, with a service in place of topic, class, audience and schedule.
// The returned campaign has the class consent.Alert.
func ParseAlert(src []byte) (Campaign, error) {
	return parseFile(src, alertKeys(), func(c *Campaign) {
		c.Class = consent.Alert
		c.Audience = "all"
	})
}

// ParseNotice reads the file of a notice that everybody gets who can be written to, whatever they opted out of: one that
// the law asks for (kind: legal), or that the business or a part of it changes hands (kind: sale).
func ParseNotice(src []byte) (Campaign, error) {
	return parseFile(src, noticeKeys(), func(c *Campaign) {
		c.Class = consent.Legal
		if c.Audience == "" {
			c.Audience = "all"
		}
	})
}

// ParseAs reads a file as what it was stored as.
func ParseAs(class consent.Class, src []byte) (Campaign, error) {
	switch class {
	case consent.Alert:
		return ParseAlert(src)
	case consent.Legal:
		return ParseNotice(src)
	}
	return ParseCampaign(src)
}

func parseFile(src []byte, keys []string, defaults func(*Campaign)) (Campaign, error) {
	front, body, bodyLine, err := splitFrontMatter(src)
	if err != nil {
		return Campaign{}, err
	}
	m, err := parseFrontMatter(front, keys)
	if err != nil {
		return Campaign{}, err
	}
	c, err := m.campaign()
	if err != nil {
		return Campaign{}, err
	}
	c.Body, c.BodyLine = body, bodyLine
	defaults(&c)
	if c.Name == "" {
		c.Name = c.Subject
	}
	return c, c.validate()
}

func (c Campaign) validate() error {
	return errors.Join(c.validateHeader(), c.validateKind(), c.validateNumbers(), c.validateBody())
}

func (c Campaign) validateHeader() error {
	if strings.TrimSpace(c.Subject) == "" {
		return errors.New("the front matter has no subject: add a line such as `subject: News from us`")
	}
	if n := utf8.RuneCountInString(delimited.ReplaceAllString(c.Subject, "")); n > maxSubject {
		return fmt.Errorf("the subject has %d characters, at most %d are allowed", n, maxSubject)
	}
	for _, f := range []struct{ key, value string }{{"subject", c.Subject}, {"preheader", c.Preheader}, {"name", c.Name}, {"from", c.From}} {
		if err := oneLine(f.key, f.value); err != nil {
			return err
		}
	}
	if c.Language != "" && !languageTag.MatchString(c.Language) {
		return fmt.Errorf("language: %q is not a language tag such as en or pt-BR", c.Language)
	}
	if c.From == "" {
		return nil
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		return fmt.Errorf("from: %q is not an address: write `name@example.com` or `Name <name@example.com>`", c.From)
	}
	return nil
}

func (c Campaign) validateKind() error {
	switch c.Class {
	case consent.Newsletter:
		if c.Topic == "" {
			return errors.New("a newsletter needs a topic: people choose by topic what they want to get")
		}
	case consent.Alert:
		if c.Service == "" {
			return errors.New("an alert needs a service: it goes to the people who use that service")
		}
	case consent.PartnerOffer:
	case consent.PolicyNotice, consent.ConsentRequest:
		if err := c.validateAbout(); err != nil {
			return err
		}
	case consent.Legal:
		if err := c.validateNotice(); err != nil {
			return err
		}
	default:
		return unknownClass(c.Class)
	}
	if _, err := consent.ParseAudience(c.Audience); err != nil {
		return fmt.Errorf("audience: %w", err)
	}
	return nil
}

// validateAbout wants the version that it tells of, or asks about.
func (c Campaign) validateAbout() error {
	switch {
	case c.Policy == "":
		return fmt.Errorf("a %s is about a version of the policy: add a line such as `policy: 2026-06`", c.Class)
	case c.Topic != "":
		return fmt.Errorf("a %s has no topic: it goes to people whatever topics they chose", c.Class)
	}
	return nil
}

// validateNotice wants a notice of a sale to reach everybody: whoever is left out would not know who has their data.
func (c Campaign) validateNotice() error {
	switch {
	case c.Notice != NoticeLegal && c.Notice != NoticeSale:
		return fmt.Errorf("kind: %q is unknown: use legal or sale%s", c.Notice, didYouMean(c.Notice, []string{NoticeLegal, NoticeSale}))
	case c.Notice == NoticeSale && c.Audience != "all":
		return errors.New("audience: a notice of a sale goes to all, so leave the audience out")
	}
	return nil
}

// The kinds of notices.
const (
	NoticeLegal = "legal"
	NoticeSale  = "sale"
)

func (c Campaign) validateNumbers() error {
	if c.Rate < 0 || c.Rate > 1e6 {
		return fmt.Errorf("rate: %v is out of range: give messages a second, 0 for no limit", c.Rate)
	}
	if !c.Schedule.IsZero() && !c.StartBy.IsZero() && !c.StartBy.After(c.Schedule) {
		return errors.New("start_by is not after schedule: the campaign could never start")
	}
	return nil
}

func (c Campaign) validateBody() error {
	if strings.TrimSpace(c.Body) == "" {
		return errors.New("there is no text below the front matter")
	}
	if len(c.Body) > maxBody {
		return fmt.Errorf("the text has %d KB, at most %d KB are allowed", len(c.Body)>>10, maxBody>>10)
	}
	return nil
}

func unknownClass(c consent.Class) error {
	known := []string{string(consent.Newsletter), string(consent.PartnerOffer), string(consent.PolicyNotice), string(consent.ConsentRequest)}
	return fmt.Errorf("class: %q is unknown: use newsletter, partner_offer, policy_notice or consent_request%s", c, didYouMean(string(c), known))
}

// oneLine refuses what could begin a second header or hide in one (RFC 5322 §2.2).
func oneLine(key, value string) error {
	for _, r := range value {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("%s: the control character %U is not allowed; keep it on one line", key, r)
		}
	}
	return nil
}
