//! The state that codecs keep between bodies, made when first needed.

/// The decoders of one scratch.
#[derive(Default)]
pub(super) struct Decoders {
    gzip: Option<Box<flate2::Decompress>>,
    snappy: Option<Box<snap::raw::Decoder>>,
    lz4: super::lz4::Decoder,
    zstd: Option<zstd::zstd_safe::DCtx<'static>>,
}

impl Decoders {
    pub(super) fn gzip(&mut self) -> &mut flate2::Decompress {
        self.gzip.get_or_insert_with(|| Box::new(flate2::Decompress::new(false)))
    }

    pub(super) fn snappy(&mut self) -> &mut snap::raw::Decoder {
        self.snappy.get_or_insert_with(|| Box::new(snap::raw::Decoder::new()))
    }

    pub(super) fn lz4(&mut self) -> &mut super::lz4::Decoder {
        &mut self.lz4
    }

    pub(super) fn zstd(&mut self) -> &mut zstd::zstd_safe::DCtx<'static> {
        self.zstd.get_or_insert_with(zstd::zstd_safe::DCtx::create)
    }
}
