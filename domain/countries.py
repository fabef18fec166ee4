"""Which country a name means: the codes of ISO 3166, with names that people use."""

from functools import cache

from domain.text import folded

# Codes and English names are those of the time zone database (iso3166.tab, in the public domain), with others added.
_NAMES = """
ad Andorra; ae United Arab Emirates/UAE; af Afghanistan; ag Antigua and Barbuda; ai Anguilla; al Albania; am
Armenia; ao Angola; aq Antarctica; ar Argentina; as American Samoa; at Austria/Österreich; au Australia; aw Aruba;
ax Åland Islands; az Azerbaijan; ba Bosnia and Herzegovina; bb Barbados; bd Bangladesh; be Belgium/Belgique/België;
bf Burkina Faso; bg Bulgaria; bh Bahrain; bi Burundi; bj Benin; bl St Barthelemy; bm Bermuda; bn Brunei; bo Bolivia;
bq Caribbean Netherlands; br Brazil/Brasil; bs Bahamas/The Bahamas; bt Bhutan; bv Bouvet Island; bw Botswana; by
Belarus; bz Belize; ca Canada; cc Cocos Islands; cd DR Congo/Democratic Republic of the Congo; cf Central African
Republic; cg Congo/Republic of the Congo; ch Switzerland/Schweiz/Suisse/Svizzera; ci Ivory Coast/Côte d'Ivoire; ck
Cook Islands; cl Chile; cm Cameroon; cn China/中国; co Colombia; cr Costa Rica; cu Cuba; cv Cape Verde/Cabo Verde; cw
Curaçao; cx Christmas Island; cy Cyprus; cz Czech Republic/Czechia; de Germany/Deutschland; dj Djibouti; dk
Denmark/Danmark; dm Dominica; do Dominican Republic; dz Algeria; ec Ecuador; ee Estonia; eg Egypt; eh Western
Sahara; er Eritrea; es Spain/España; et Ethiopia; fi Finland/Suomi; fj Fiji; fk Falkland Islands; fm Micronesia; fo
Faroe Islands; fr France; ga Gabon; gb United Kingdom/Great Britain/Britain/UK/England/Scotland/Wales/Northern
Ireland; gd Grenada; ge Georgia; gf French Guiana; gg Guernsey; gh Ghana; gi Gibraltar; gl Greenland; gm Gambia/The
Gambia; gn Guinea; gp Guadeloupe; gq Equatorial Guinea; gr Greece/Hellas; gs South Georgia and the South Sandwich
Islands; gt Guatemala; gu Guam; gw Guinea-Bissau; gy Guyana; hk Hong Kong; hm Heard Island and McDonald Islands; hn
Honduras; hr Croatia/Hrvatska; ht Haiti; hu Hungary/Magyarország; id Indonesia; ie Ireland/Éire; il Israel; im Isle
of Man; in India; io British Indian Ocean Territory; iq Iraq; ir Iran; is Iceland; it Italy/Italia; je Jersey; jm
Jamaica; jo Jordan; jp Japan/日本; ke Kenya; kg Kyrgyzstan; kh Cambodia; ki Kiribati; km Comoros; kn St Kitts and
Nevis; kp North Korea; kr South Korea/Korea/Republic of Korea; kw Kuwait; ky Cayman Islands; kz Kazakhstan; la Laos;
lb Lebanon; lc St Lucia; li Liechtenstein; lk Sri Lanka; lr Liberia; ls Lesotho; lt Lithuania; lu Luxembourg; lv
Latvia; ly Libya; ma Morocco/Maroc; mc Monaco; md Moldova; me Montenegro; mf Saint Martin; mg Madagascar; mh
Marshall Islands; mk North Macedonia; ml Mali; mm Myanmar/Burma; mn Mongolia; mo Macau/Macao; mp Northern Mariana
Islands; mq Martinique; mr Mauritania; ms Montserrat; mt Malta; mu Mauritius; mv Maldives; mw Malawi; mx Mexico; my
Malaysia; mz Mozambique; na Namibia; nc New Caledonia; ne Niger; nf Norfolk Island; ng Nigeria; ni Nicaragua; nl
Netherlands/The Netherlands/Holland/Nederland; no Norway/Norge; np Nepal; nr Nauru; nu Niue; nz New Zealand; om
Oman; pa Panama; pe Peru; pf French Polynesia; pg Papua New Guinea; ph Philippines; pk Pakistan; pl Poland/Polska;
pm St Pierre and Miquelon; pn Pitcairn; pr Puerto Rico; ps Palestine; pt Portugal; pw Palau; py Paraguay; qa Qatar;
re Réunion; ro Romania; rs Serbia; ru Russia/Russian Federation; rw Rwanda; sa Saudi Arabia; sb Solomon Islands; sc
Seychelles; sd Sudan; se Sweden/Sverige; sg Singapore; sh St Helena; si Slovenia; sj Svalbard and Jan Mayen; sk
Slovakia; sl Sierra Leone; sm San Marino; sn Senegal; so Somalia; sr Suriname; ss South Sudan; st Sao Tome and
Principe; sv El Salvador; sx Sint Maarten; sy Syria; sz Eswatini/Swaziland; tc Turks and Caicos Islands; td Chad; tf
French Southern Territories; tg Togo; th Thailand; tj Tajikistan; tk Tokelau; tl East Timor/Timor-Leste; tm
Turkmenistan; tn Tunisia; to Tonga; tr Turkey/Türkiye; tt Trinidad and Tobago; tv Tuvalu; tw Taiwan; tz Tanzania; ua
Ukraine; ug Uganda; um US minor outlying islands; us United States/USA/United States of America; uy Uruguay; uz
Uzbekistan; va Vatican City/Holy See; vc St Vincent; ve Venezuela; vg British Virgin Islands; vi US Virgin Islands;
vn Vietnam/Viet Nam; vu Vanuatu; wf Wallis and Futuna; ws Samoa; ye Yemen; yt Mayotte; za South Africa; zm Zambia;
zw Zimbabwe
"""


def code_of(name: str) -> str | None:
    """The code, in lower case, of a code or of a name, however it is written; None when we know no such country."""
    wanted = folded(name)
    return wanted if wanted in _codes().values() else _codes().get(wanted)


@cache
def _codes() -> dict[str, str]:
    entries = [entry.split(" ", 1) for entry in " ".join(_NAMES.split()).split("; ")]
    return {folded(name): code for code, names in entries for name in names.split("/")}
