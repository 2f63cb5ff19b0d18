package templates

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones must work on machines without a zone database
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"heed/consent"
)

// matter is the front matter as written; times are kept as text until the time zone is known.
type matter struct {
	Name      string  `yaml:"name"`
	Subject   string  `yaml:"subject"`
	Preheader string  `yaml:"preheader"`
	Topic     string  `yaml:"topic"`
	Service   string  `yaml:"service"`
	Class     string  `yaml:"class"`
	Kind      string  `yaml:"kind"`
	Audience  string  `yaml:"audience"`
	From      string  `yaml:"from"`
	Schedule  string  `yaml:"schedule"`
	TimeZone  string  `yaml:"time_zone"`
	StartBy   string  `yaml:"start_by"`
	Rate      float64 `yaml:"rate"`
	Language  string  `yaml:"language"`
	Purpose   string  `yaml:"purpose"`
	Policy    string  `yaml:"policy"`
}

func campaignKeys() []string {
	return []string{"name", "subject", "preheader", "topic", "class", "audience", "from", "schedule", "time_zone", "start_by", "rate", "language", "purpose", "policy"}
}

func alertKeys() []string {
	return []string{"name", "subject", "preheader", "service", "from", "time_zone", "language"}
}

func noticeKeys() []string {
	return []string{"name", "subject", "preheader", "kind", "audience", "from", "time_zone", "language"}
}

// splitFrontMatter parts a file into the YAML, the Markdown and the line on which the Markdown begins.
func splitFrontMatter(src []byte) (front, body string, bodyLine int, err error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(src) {
		return "", "", 0, errors.New("the file is not UTF-8: save it as UTF-8")
	}
	text := strings.ReplaceAll(string(src), "\r\n", "\n")
	lines := strings.Split(text, "\n")
	if strings.TrimRight(lines[0], " \t") != "---" {
		return "", "", 0, errors.New("line 1: the file must begin with a line `---` and its settings (subject, topic, …)")
	}
	for i := 1; i < len(lines); i++ {
		if strings.TrimRight(lines[i], " \t") == "---" {
			return strings.Join(lines[1:i], "\n"), strings.Join(lines[i+1:], "\n"), i + 2, nil
		}
	}
	return "", "", 0, errors.New("the settings have no end: close them with a line `---`")
}

func parseFrontMatter(front string, keys []string) (matter, error) {
	var m matter
	if len(front) > maxFrontMatter {
		return m, fmt.Errorf("the settings have %d bytes, at most %d are allowed", len(front), maxFrontMatter)
	}
	if err := checkKeys(front, keys); err != nil {
		return m, err
	}
	err := yaml.UnmarshalWithOptions([]byte(quoteProse(front)), &m, yaml.Strict())
	if err != nil {
		return m, yamlError(err)
	}
	return m, nil
}

// checkKeys looks at the keys before they are decoded, so that a slip gets a suggestion, and so that a key of the other
// kind of file is refused as well. Aliases are refused too: a few lines of them can stand for gigabytes.
func checkKeys(front string, keys []string) error {
	file, err := parser.ParseBytes([]byte(quoteProse(front)), 0)
	if err != nil {
		return yamlError(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if found := ast.Filter(ast.AliasType, doc.Body); len(found) > 0 {
			return fmt.Errorf("line %d: YAML aliases (*name) are not allowed; put the text in quotes", found[0].GetToken().Position.Line+1)
		}
		if err := checkMapping(doc.Body, keys); err != nil {
			return err
		}
	}
	return nil
}

func checkMapping(n ast.Node, keys []string) error {
	mapping, ok := n.(ast.MapNode)
	if !ok {
		return fmt.Errorf("line %d: the settings are lines such as `subject: News from us`", n.GetToken().Position.Line+1)
	}
	for entries := mapping.MapRange(); entries.Next(); {
		key := entries.Key().GetToken()
		if !slices.Contains(keys, key.Value) {
			return fmt.Errorf("line %d: unknown key %q%s; known are %s", key.Position.Line+1, key.Value,
				didYouMean(key.Value, keys), strings.Join(keys, ", "))
		}
	}
	return nil
}

// yamlError turns the parser's report, with its drawing of the place, into one line that counts from the file's first.
func yamlError(err error) error {
	var y yaml.Error
	if errors.As(err, &y) && y.GetToken() != nil {
		return fmt.Errorf("line %d: %s", y.GetToken().Position.Line+1, inWords(y.GetMessage()))
	}
	return fmt.Errorf("reading the settings: %w", err)
}

// wrongType is how the YAML library says that a value has the wrong form.
var wrongType = regexp.MustCompile(`cannot unmarshal .* into Go struct field matter\.(\w+) of type (\w+)`)

// inWords says it to whoever wrote the file.
func inWords(said string) string {
	found := wrongType.FindStringSubmatch(said)
	switch {
	case found == nil:
		return said
	case found[2] == "float64":
		return strings.ToLower(found[1]) + " is a plain number: messages a second, such as 20"
	}
	return strings.ToLower(found[1]) + " is one line of text; put it in quotes"
}

var (
	proseLine = regexp.MustCompile(`(?m)^(subject|preheader|name):[ \t]+([^"'|>#\s][^\n]*)$`)
	yamlSigns = regexp.MustCompile(`\{\{|\{%|: |^[\[{*&!%@` + "`" + `]`)
)

// quoteProse puts quotes around a value such as `Update: hi {{ first_name | default: "you" }}`, whose colon and braces
// mean something to YAML that the writer did not intend.
func quoteProse(front string) string {
	return proseLine.ReplaceAllStringFunc(front, func(line string) string {
		m := proseLine.FindStringSubmatch(line)
		if !yamlSigns.MatchString(m[2]) {
			return line
		}
		return m[1] + ": '" + strings.ReplaceAll(strings.TrimSpace(m[2]), "'", "''") + "'"
	})
}

func (m matter) campaign() (Campaign, error) {
	switch k := consent.Class(m.Class); k {
	case "", consent.Newsletter, consent.PartnerOffer, consent.PolicyNotice, consent.ConsentRequest:
	default:
		return Campaign{}, unknownClass(k)
	}
	c := Campaign{Name: strings.TrimSpace(m.Name), Subject: strings.TrimSpace(m.Subject), Preheader: strings.TrimSpace(m.Preheader),
		Topic: m.Topic, Service: m.Service, Class: consent.Class(m.Class), Audience: strings.TrimSpace(m.Audience),
		From: strings.TrimSpace(m.From), TimeZone: m.TimeZone, Rate: m.Rate, Language: strings.TrimSpace(m.Language), Notice: m.Kind,
		Purpose: strings.TrimSpace(m.Purpose), Policy: strings.TrimSpace(m.Policy)}
	if c.TimeZone == "" {
		c.TimeZone = "UTC"
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil || c.TimeZone == "Local" {
		return c, fmt.Errorf("time_zone: %q is unknown: use a name such as Europe/Berlin", c.TimeZone)
	}
	if c.Schedule, err = parseWhen(m.Schedule, zone); err != nil {
		return c, fmt.Errorf("schedule: %w", err)
	}
	if c.StartBy, err = parseWhen(m.StartBy, zone); err != nil {
		return c, fmt.Errorf("start_by: %w", err)
	}
	return c, nil
}
