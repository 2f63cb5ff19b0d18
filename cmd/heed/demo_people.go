package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// resident is one line of the list that the demo imports.
type resident struct {
	email, first, last, company, language, zone string
	topics, services                            []string
	plan, circle                                string
	partners                                    bool
	consented                                   bool // the line says when, where and to what
	suppressed                                  bool // had opted out before, in another system
	broken                                      bool // the line cannot be a person
}

// The topics and the service of the demo's sender.
const (
	topicNews   = "product-news"
	topicEvents = "events"
	serviceName = "files"
)

// The people whose story is told. Those who act before their turn stand late
// in the list, those who act on what they got stand early.
const (
	ann = "ann.archer@home.example"       // writes to unsubscribe@ in plain words
	bo  = "bo.bell@bigmail.example"       // his mailbox provider presses unsubscribe for him
	cy  = "cy.chandra@bank.example"       // her company's scanner opens every link
	dee = "dee.dunn@oldjob.example"       // her address is gone: the mail comes back
	eve = "eve.engel@verein.example"      // her server says: not now, try later
	fay = "fay.fox@home.example"          // asks to be deleted
	gus = "gus.garcia@council.example"    // is on holiday, and his mail program says so
	hal = "hal.hansen@bigmail.example"    // presses "this is spam"
	ivy = "ivy.ito@harbourside.example"   // opted out long ago, uses the service
	jon = "jon.jansen@council.example"    // opted out long ago, uses the service
	kai = "kai.kovacs@home.example"       // opted out long ago
	lea = "lea.lind@bank.example"         // opted out long ago
	mia = "mia.moreau@verein.example"     // opted out long ago
	few = 5                               // how many opted out long ago
	bad = 7                               // how many lines are broken
	box = "mailbox-%04d@people%d.example" // everybody else
)

// places says on which line of the list each of them stands, as a share of its length.
func places() map[string]float64 {
	return map[string]float64{dee: 0.02, gus: 0.03, eve: 0.04, hal: 0.05, ivy: 0.30, jon: 0.40, kai: 0.50, lea: 0.60, mia: 0.70,
		fay: 0.95, ann: 0.97, bo: 0.98, cy: 0.99}
}

// people makes a list of n lines; the same seed makes the same list.
func people(seed uint64, n int) []resident {
	r := rand.New(rand.NewPCG(seed, 2369))
	all := make([]resident, n)
	for i := range all {
		all[i] = somebody(r, i)
	}
	for who, share := range places() {
		at := int(share * float64(n))
		all[at] = somebodyNamed(all[at], who)
	}
	breakSome(all)
	return all
}

// somebody is an ordinary line: most agreed to the product news, some only to
// the events, a few never agreed to anything.
func somebody(r *rand.Rand, i int) resident {
	p := resident{email: fmt.Sprintf(box, i, i%7), first: anyOf(r, firstNames()), last: anyOf(r, lastNames()),
		company: anyOf(r, companies()), language: anyOf(r, []string{"en", "en", "en", "de", "fr", "es"}),
		zone: anyOf(r, []string{"Europe/Berlin", "Europe/London", "America/New_York", "Asia/Tokyo"}), plan: anyOf(r, []string{"free", "team", "pro"}),
		topics: []string{topicNews}, partners: r.IntN(5) == 0, consented: true}
	switch chance := r.IntN(100); {
	case chance < 5:
		p.topics = []string{topicEvents}
	case chance < 8:
		p.topics, p.consented, p.partners = nil, false, false
	case chance < 40:
		p.topics = []string{topicNews, topicEvents}
	}
	if r.IntN(100) < 8 {
		p.services = []string{serviceName}
	}
	return p
}

func anyOf(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// somebodyNamed turns a line into one of the people whose story is told.
func somebodyNamed(p resident, who string) resident {
	name, _, _ := strings.Cut(who, "@")
	first, last, _ := strings.Cut(name, ".")
	p.email, p.first, p.last, p.language = who, strings.ToUpper(first[:1])+first[1:], strings.ToUpper(last[:1])+last[1:], "en"
	p.topics, p.consented, p.services, p.partners = []string{topicNews}, true, nil, false
	if slices.Contains([]string{ann, bo, cy, gus, hal, ivy, jon}, who) {
		p.services = []string{serviceName}
	}
	if slices.Contains([]string{ann, bo, cy, fay, eve, gus}, who) {
		p.circle = "first"
	}
	p.suppressed = slices.Contains([]string{ivy, jon, kai, lea, mia}, who)
	return p
}

// breakSome spoils lines spread over the list, each in its own way.
func breakSome(all []resident) {
	ways := []string{"", "no-at-sign.example", "two@@signs.example", "space in@name.example", "nobody@", "@nowhere.example", "a@b@c.example"}
	for i, way := range ways {
		at := (i + 1) * len(all) / (bad + 2)
		for all[at].circle != "" || all[at].suppressed || !strings.HasPrefix(all[at].email, "mailbox-") {
			at++
		}
		all[at].email, all[at].broken = way, true
	}
}

// contactsCSV is the list as `heed contact import` takes it.
func contactsCSV(all []resident) ([]byte, error) {
	rows := [][]string{{"email", "first_name", "last_name", "company", "language", "time_zone", "external_id", "topics", "services",
		"partner_offers", "consent_at", "consent_source", "consent_text", "attr.plan", "attr.circle"}}
	for i, p := range all {
		rows = append(rows, p.row(i))
	}
	return csvText(rows)
}

func csvText(rows [][]string) ([]byte, error) {
	var out bytes.Buffer
	err := csv.NewWriter(&out).WriteAll(rows)
	return out.Bytes(), err
}

func (p resident) row(i int) []string {
	at, source, text, partners := "", "", "", ""
	if p.consented {
		at, source, text = "2025-03-01T10:00:00Z", "sign-up form on harbour.example", "Yes, send me Harbour Notes. I can stop at any time."
	}
	if p.partners {
		partners = "yes"
	}
	return []string{p.email, p.first, p.last, p.company, p.language, p.zone, fmt.Sprintf("crm-%04d", i), strings.Join(p.topics, "|"),
		strings.Join(p.services, "|"), partners, at, source, text, p.plan, p.circle}
}

// suppressionsCSV names those who opted out before, as `heed suppress import` takes it.
func suppressionsCSV(all []resident) ([]byte, error) {
	rows := [][]string{{"email", "scope", "at", "source"}}
	for _, p := range all {
		if p.suppressed {
			rows = append(rows, []string{p.email, "all", "2025-06-01T09:00:00Z", "the newsletter program before this one"})
		}
	}
	return csvText(rows)
}

func firstNames() []string {
	return strings.Fields("Ada Alan Amina Bela Carla Chen Dora Emil Fatima Finn Greta Hugo Ida Jonas Karim Lena Malik Nina Olga Pedro Quinn Rosa Sami Tara Umar Vera Wanda Xenia Yusuf Zoe Zoë José Renée")
}

func lastNames() []string {
	return strings.Fields("Adler Brandt Costa Dubois Eriksen Fischer Garcia Hoffmann Ivanova Jensen Kaya Lopez Meyer Novak Okafor Petrov Quist Rossi Schmidt Tanaka Ueda Vogel Weber Young Zeman O'Brien Müller")
}

func companies() []string {
	return []string{"", "", "Northwind", "Blue Pier Ltd", "Hafen & Söhne", "Lighthouse <Labs>", "Drei Brücken", "Quay 7"}
}
