package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"heed/mailer"
	"heed/worker"
)

// relayConfig is one way out. SMTP_URL is the short form of a single one.
type relayConfig struct {
	Name        string   `toml:"name" json:"name"`
	URL         string   `toml:"url" json:"-"`
	URLFile     string   `toml:"url_file" json:"url_file,omitempty"`
	Weight      *int     `toml:"weight" json:"weight,omitempty"`
	Classes     []string `toml:"classes" json:"classes,omitempty"`
	Connections *int     `toml:"connections" json:"connections,omitempty"`
	Rate        any      `toml:"rate" json:"rate,omitempty"`
	WarmUp      []int    `toml:"warm_up" json:"warm_up,omitempty"`
}

// limitConfig bounds what goes to one provider.
type limitConfig struct {
	Group       string   `toml:"group" json:"group"`
	Domains     []string `toml:"domains" json:"domains,omitempty"`
	MX          []string `toml:"mx" json:"mx,omitempty"`
	Rate        any      `toml:"rate" json:"rate,omitempty"`
	Connections *int     `toml:"connections" json:"connections,omitempty"`
	WarmUp      []int    `toml:"warm_up" json:"warm_up,omitempty"`
}

// paceConfig holds for all limits.
type paceConfig struct {
	ByMX bool `toml:"by_mx" json:"by_mx"`
}

// relayClasses are the classes that a relay can be bound to, and the queue that
// carries each.
var relayClasses = map[string]string{"newsletter": "newsletter", "alert": "alert", "answer": "privacy"}

var relayClassNames = []string{"newsletter", "alert", "answer"}

// parseRate reads 20 or "20/s", "600/m", "10000/h" as messages a second.
func parseRate(given any) (float64, error) {
	if given == nil {
		return 0, nil
	}
	text := fmt.Sprint(given)
	number, unit, timed := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	per := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	if !timed {
		per = 1
	}
	if err != nil || per == 0 || math.IsNaN(n) || n < 0 || n/per > 1e6 {
		return 0, fmt.Errorf(`rate is %q, but must be like "20/s", "600/m" or "10000/h", or a number of messages a second`, text)
	}
	return n / per, nil
}

func checkWarmUp(plan []int) error {
	for i, n := range plan {
		if n < 1 || i > 0 && n < plan[i-1] {
			return errors.New("warm_up must list messages a day, one or more, never fewer than the day before, such as [50, 100, 500, 1000, 5000]")
		}
	}
	return nil
}

func checkConnections(n *int) error {
	if n != nil && (*n < 1 || *n > 1000) {
		return fmt.Errorf("connections is %d, but must be from 1 to 1000", *n)
	}
	return nil
}

// check finds what is wrong with one relay, whose URL may lie in a file that is
// not read yet.
func (r relayConfig) check() error {
	problems := []error{checkWarmUp(r.WarmUp), checkConnections(r.Connections)}
	if !slug.MatchString(r.Name) {
		problems = append(problems, fmt.Errorf("its name %q must be of a-z, 0-9, dot, dash and underscore: status and metrics show it", r.Name))
	}
	switch {
	case (r.URL == "") == (r.URLFile == ""):
		problems = append(problems, errors.New("it needs one of url and url_file, such as url = \"smtp://relay.example.com:587?tls=starttls\""))
	case r.URL != "":
		if _, err := mailer.ParseRelay(r.URL); err != nil {
			problems = append(problems, fmt.Errorf("url: %w", err))
		}
	}
	if r.Weight != nil && (*r.Weight < 1 || *r.Weight > 1000) {
		problems = append(problems, fmt.Errorf("weight is %d, but must be from 1 to 1000", *r.Weight))
	}
	for _, class := range r.Classes {
		if relayClasses[class] == "" {
			problems = append(problems, unknownWord("class", class, relayClassNames))
		}
	}
	_, err := parseRate(r.Rate)
	return firstError(append(problems, err)...)
}

// unknownWord says which words are known, and which was likely meant.
func unknownWord(what, word string, known []string) error {
	text := fmt.Sprintf("the %s %q is unknown; known are %s", what, word, strings.Join(known, ", "))
	if near := nearest(word, known); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return errors.New(text)
}

// checkRelays finds what is wrong with the relays together.
func (c *config) checkRelays() (problems []error) {
	if c.SMTPURL != "" && len(c.Relay) > 0 {
		problems = append(problems, fmt.Errorf("%s names a relay and there are [[relay]] blocks: remove one of the two", c.where("SMTP_URL")))
	}
	seen := map[string]bool{}
	served := map[string]bool{}
	for i, r := range c.Relay {
		err := r.check()
		if seen[r.Name] {
			err = firstError(err, errors.New("its name stands there twice"))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("relay %d (%s): %w", i+1, r.Name, err))
		}
		seen[r.Name] = true
		for _, class := range relayClassNames {
			served[class] = served[class] || len(r.Classes) == 0 || slices.Contains(r.Classes, class)
		}
	}
	for _, class := range relayClassNames {
		if len(c.Relay) > 0 && !served[class] {
			problems = append(problems, fmt.Errorf("no [[relay]] carries the class %s: add it to the classes of one, or leave classes out of one that carries all", class))
		}
	}
	return problems
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

// check finds what is wrong with one limit.
func (l limitConfig) check() error {
	problems := []error{checkWarmUp(l.WarmUp), checkConnections(l.Connections)}
	known := slices.Contains(worker.Groups(), l.Group)
	switch {
	case !slug.MatchString(l.Group) || l.Group == worker.Other:
		problems = append(problems, fmt.Errorf("its group %q must be one of %s, or a name of yours of a-z, 0-9, dot, dash and underscore", l.Group, strings.Join(worker.Groups(), ", ")))
	case !known && len(l.Domains)+len(l.MX) == 0:
		problems = append(problems, fmt.Errorf("%w; a group of yours needs domains, or mx with pace.by_mx", unknownWord("group", l.Group, worker.Groups())))
	}
	for _, name := range slices.Concat(l.Domains, l.MX) {
		if !hostName.MatchString(name) {
			problems = append(problems, fmt.Errorf("%q is no domain: write it in small letters and ASCII, such as example.com", name))
		}
	}
	rate, err := parseRate(l.Rate)
	if err == nil && rate == 0 && l.Connections == nil && len(l.WarmUp) == 0 {
		err = errors.New("it limits nothing: set rate, connections or warm_up")
	}
	return firstError(append(problems, err)...)
}

// checkLimits finds what is wrong with the limits together.
func (c *config) checkLimits() (problems []error) {
	seen, owner := map[string]bool{}, map[string]string{}
	for i, l := range c.Limit {
		err := l.check()
		if seen[l.Group] {
			err = firstError(err, errors.New("its group stands there twice"))
		}
		for _, name := range l.Domains {
			if owner[name] != "" {
				err = firstError(err, fmt.Errorf("the domain %s belongs to the group %s already", name, owner[name]))
			}
			owner[name] = l.Group
		}
		if len(l.MX) > 0 && !c.Pace.ByMX {
			err = firstError(err, errors.New("mx is only looked at with by_mx = true in [pace]"))
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("limit %d (%s): %w", i+1, l.Group, err))
		}
		seen[l.Group] = true
	}
	return problems
}

// limitsTo are the limits as a worker wants them.
func (c *config) limitsTo() (all []worker.Limit) {
	for _, l := range c.Limit {
		rate, _ := parseRate(l.Rate) // checked when it was read
		all = append(all, worker.Limit{Group: l.Group, Domains: l.Domains, MX: l.MX, Rate: rate, Connections: orZero(l.Connections), WarmUp: l.WarmUp})
	}
	return all
}

// relays are all ways out, with the secrets of their files.
func (c *config) relays() (all []worker.Relay, err error) {
	if c.SMTPURL != "" {
		one, err := mailer.ParseRelay(c.SMTPURL)
		return []worker.Relay{{Relay: one}}, err
	}
	for _, r := range c.Relay {
		one, err := c.parseRelay(r)
		if err != nil {
			return nil, fmt.Errorf("the relay %s: %w", r.Name, err)
		}
		rate, _ := parseRate(r.Rate) // checked when it was read
		way := worker.Relay{Relay: one, Name: r.Name, Weight: orZero(r.Weight), Connections: orZero(r.Connections), Rate: rate, WarmUp: r.WarmUp}
		for _, class := range r.Classes {
			way.Queues = append(way.Queues, relayClasses[class])
		}
		all = append(all, way)
	}
	if len(all) == 0 {
		return nil, errNoRelay
	}
	return all, nil
}

var errNoRelay = hinted(errors.New("there is no relay to send through"),
	"set SMTP_URL, such as smtp://user:password@mail.example.com:587?tls=starttls, or write [[relay]] blocks into heed.toml")

func (c *config) parseRelay(r relayConfig) (mailer.Relay, error) {
	if r.URL != "" {
		return mailer.ParseRelay(r.URL)
	}
	text, err := readSecret(c.relative(r.URLFile))
	if err != nil {
		return mailer.Relay{}, hinted(err, "url_file must hold one line, smtp://user:password@host:port?tls=starttls")
	}
	return mailer.ParseRelay(text)
}

// relayFor is the first relay that carries a queue, for a single mail.
func (c *config) relayFor(queue string) (mailer.Relay, error) {
	all, err := c.relays()
	if err != nil {
		return mailer.Relay{}, err
	}
	for _, one := range all {
		if len(one.Queues) == 0 || slices.Contains(one.Queues, queue) {
			return one.Relay, nil
		}
	}
	return mailer.Relay{}, errNoRelay
}

// relay is that of the newsletters.
func (c *config) relay() (mailer.Relay, error) { return c.relayFor("newsletter") }

// hasRelay tells whether any is named.
func (c *config) hasRelay() bool { return c.SMTPURL != "" || len(c.Relay) > 0 }

func orZero(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
