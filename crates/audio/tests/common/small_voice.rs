//! A voice of Piper's kind with two channels and one layer of everything, which tests damage and the fuzz target changes.

/// A filter: its node, and its weights with these dimensions.
#[derive(Clone)]
pub(crate) struct Filter {
    pub(crate) name: String,
    /// `Conv` or `ConvTranspose`.
    pub(crate) operation: &'static str,
    /// (outputs, inputs, taps), or (inputs, outputs, taps) where it is transposed.
    pub(crate) dims: Vec<usize>,
    pub(crate) has_bias: bool,
    pub(crate) settings: Vec<(&'static str, Vec<i64>)>,
    /// Rows are added by a node of their own before it.
    pub(crate) padded_before: bool,
    /// The weights' name, where another filter's are meant.
    pub(crate) weights_of: Option<String>,
}

/// What the file is made of.
#[derive(Clone)]
pub(crate) struct SmallVoice {
    pub(crate) filters: Vec<Filter>,
    /// Weights that no filter has.
    pub(crate) tables: Vec<(String, Vec<usize>)>,
    /// Rows of the table of speakers and numbers of each, where there is one.
    pub(crate) speakers: Option<[usize; 2]>,
}

/// The alphabet that belongs to it: the phoneme is `a`.
pub(crate) const ALPHABET: &str = r#"{"audio":{"sample_rate":16000},"espeak":{"voice":"en"},"phoneme_id_map":{"_":[0],"^":[1],"$":[2],"a":[3]}}"#;

impl Filter {
    /// The axis of `dims` that is the outputs'.
    pub(crate) fn output_axis(&self) -> usize {
        usize::from(self.operation == "ConvTranspose")
    }
}

impl Default for SmallVoice {
    fn default() -> Self {
        let mut voice = Self { filters: Vec::new(), tables: Vec::new(), speakers: None };
        voice.table("emb", &[4, 2]);
        voice.encoder();
        voice.durations();
        voice.flow();
        voice.decoder();
        voice
    }
}

impl SmallVoice {
    fn table(&mut self, name: &str, dims: &[usize]) {
        self.tables.push((name.to_owned(), dims.to_vec()));
    }

    fn norm(&mut self, name: &str, channels: usize) {
        self.table(&format!("{name}.gamma"), &[channels]);
        self.table(&format!("{name}.beta"), &[channels]);
    }

    /// A filter that keeps the number of rows.
    fn conv(&mut self, name: &str, dims: [usize; 3], dilation: i64) {
        let pad = (dims[2] as i64 - 1) * dilation / 2;
        self.filters.push(Filter {
            name: name.to_owned(),
            operation: "Conv",
            dims: dims.to_vec(),
            has_bias: true,
            settings: vec![
                ("dilations", vec![dilation]),
                ("group", vec![1]),
                ("pads", vec![pad, pad]),
                ("strides", vec![1]),
            ],
            padded_before: false,
            weights_of: None,
        });
    }

    /// The filter of this name.
    pub(crate) fn filter(&mut self, name: &str) -> &mut Filter {
        let found = self.filters.iter_mut().find(|filter| filter.name == name);
        found.unwrap_or_else(|| panic!("the small voice has no filter {name}"))
    }

    fn encoder(&mut self) {
        let (attention, feed) = ("enc_p.encoder.attn_layers.0", "enc_p.encoder.ffn_layers.0");
        for part in ["q", "k", "v", "o"] {
            self.conv(&format!("{attention}.conv_{part}"), [2, 2, 1], 1);
        }
        self.table(&format!("{attention}.emb_rel_k"), &[1, 3, 1]);
        self.table(&format!("{attention}.emb_rel_v"), &[1, 3, 1]);
        for (part, dims) in [("conv_1", [3, 2, 3]), ("conv_2", [2, 3, 3])] {
            let name = format!("{feed}.{part}");
            self.conv(&name, dims, 1);
            let filter = self.filter(&name);
            filter.padded_before = true;
            filter.settings[2].1 = vec![0, 0];
        }
        self.norm("enc_p.encoder.norm_layers_1.0", 2);
        self.norm("enc_p.encoder.norm_layers_2.0", 2);
        self.conv("enc_p.proj", [4, 2, 1], 1);
    }

    fn dilated(&mut self, name: &str) {
        let separate = format!("{name}.convs_sep.0");
        self.conv(&separate, [3, 1, 3], 1);
        self.filter(&separate).settings[1].1 = vec![3];
        self.norm(&format!("{name}.norms_1.0"), 3);
        self.conv(&format!("{name}.convs_1x1.0"), [3, 3, 1], 1);
        self.norm(&format!("{name}.norms_2.0"), 3);
    }

    fn durations(&mut self) {
        self.conv("dp.pre", [3, 2, 1], 1);
        self.dilated("dp.convs");
        self.conv("dp.proj", [3, 3, 1], 1);
        for flow in [3, 5, 7] {
            self.conv(&format!("dp.flows.{flow}.pre"), [3, 1, 1], 1);
            self.dilated(&format!("dp.flows.{flow}.convs"));
            self.conv(&format!("dp.flows.{flow}.proj"), [5, 3, 1], 1);
        }
        self.table("dp.flows.0.m", &[2, 1]);
        self.table("dp.flows.0.logs", &[2, 1]);
    }

    fn flow(&mut self) {
        let name = "flow.flows.0";
        self.conv(&format!("{name}.pre"), [3, 1, 1], 1);
        for (layer, both) in [6, 3].into_iter().enumerate() {
            self.conv(&format!("{name}.enc.in_layers.{layer}"), [6, 3, 5], 1);
            self.conv(&format!("{name}.enc.res_skip_layers.{layer}"), [both, 3, 1], 1);
        }
        self.conv(&format!("{name}.post"), [1, 3, 1], 1);
    }

    fn decoder(&mut self) {
        self.conv("dec.conv_pre", [4, 2, 7], 1);
        self.conv("dec.ups.0", [4, 2, 4], 1);
        let up = self.filter("dec.ups.0");
        up.operation = "ConvTranspose";
        up.settings[2].1 = vec![1, 1];
        up.settings[3].1 = vec![2];
        self.conv("dec.resblocks.0.convs.0", [2, 2, 3], 1);
        self.conv("dec.resblocks.0.convs.1", [2, 2, 3], 2);
        self.conv("dec.conv_post", [1, 2, 7], 1);
        self.filter("dec.conv_post").has_bias = false;
    }

    /// The ONNX file.
    pub(crate) fn file(&self) -> Vec<u8> {
        // Piper's exporter calls the first weights so where there is one speaker.
        let first = if self.speakers.is_none() { "sid" } else { "emb" };
        let mut graph = message(1, &node("Gather", &[first, "input"], "rows", &[]));
        if let Some(dims) = &self.speakers {
            graph.extend(message(1, &node("Gather", &["emb_g", "sid"], "speaker", &[])));
            graph.extend(message(5, &tensor("emb_g", dims)));
        }
        for (name, dims) in &self.tables {
            let name = if name == "emb" { first } else { name };
            graph.extend(message(5, &tensor(name, dims)));
        }
        for filter in &self.filters {
            let name = &filter.name;
            let own = format!("{name}.weight");
            let weights = filter.weights_of.as_ref().map_or(own.clone(), |of| format!("{of}.weight"));
            let (input, bias) = (format!("{name}.input"), format!("{name}.bias"));
            if filter.padded_before {
                graph.extend(message(1, &node("Pad", &["rows"], &input, &[])));
            }
            let mut inputs = vec![input.as_str(), weights.as_str()];
            if filter.has_bias {
                inputs.push(&bias);
                let outputs = filter.dims.get(filter.output_axis()).copied().unwrap_or(1);
                graph.extend(message(5, &tensor(&bias, &[outputs])));
            }
            let output = format!("{name}.output");
            graph.extend(message(1, &node(filter.operation, &inputs, &output, &filter.settings)));
            if filter.weights_of.is_none() {
                graph.extend(message(5, &tensor(&own, &filter.dims)));
            }
        }
        message(7, &graph)
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn message(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn integer(field: u64, value: i64) -> Vec<u8> {
    // Two's complement, as the format says.
    [varint(field << 3), varint(value as u64)].concat()
}

fn node(operation: &str, inputs: &[&str], output: &str, settings: &[(&str, Vec<i64>)]) -> Vec<u8> {
    let mut bytes: Vec<u8> = inputs.iter().flat_map(|name| message(1, name.as_bytes())).collect();
    bytes.extend(message(2, output.as_bytes()));
    bytes.extend(message(4, operation.as_bytes()));
    for (name, values) in settings {
        let mut setting = message(1, name.as_bytes());
        setting.extend(values.iter().flat_map(|value| integer(8, *value)));
        bytes.extend(message(5, &setting));
    }
    bytes
}

/// Floats of these dimensions, small and of either sign.
fn tensor(name: &str, dims: &[usize]) -> Vec<u8> {
    let count: usize = dims.iter().product();
    let value = |i: usize| ((i * 37 + name.len()) % 19) as f32 * 0.05 - 0.45;
    let raw: Vec<u8> = (0..count).flat_map(|i| value(i).to_le_bytes()).collect();
    let mut bytes: Vec<u8> = dims.iter().flat_map(|dim| integer(1, *dim as i64)).collect();
    bytes.extend(integer(2, 1));
    bytes.extend(message(8, name.as_bytes()));
    bytes.extend(message(9, &raw));
    bytes
}
